use super::rows::{Columns, LANES, SUBS, sigmoid, silu_slope, sum_subs};
use cubecl::prelude::*;

/// Taps of the kernel.
const TAPS: usize = 9;

/// The bias and the products with the nine pixels around `(row, column)` of the map that starts at pixel `first`; zeros lie outside.
#[cube]
fn convolved(
    x: &[f32],
    weight: &[f32], // [channels, 9]
    bias: &[f32],
    at: Columns,
    first: usize,
    row: usize,
    column: usize,
    height: usize,
    width: usize,
    channel: usize,
) -> f32 {
    let mut sum = bias[channel];
    #[unroll]
    for tap in 0..TAPS {
        // one more than the neighbour, so that nothing is negative
        let (y, x_one) = (row + tap / 3, column + tap % 3);
        if y > 0 && y <= height && x_one > 0 && x_one <= width {
            let pixel = first + (y - 1) * width + x_one - 1;
            sum += x[at.row(pixel) + channel] * weight[channel * TAPS + tap];
        }
    }
    sum
}

/// Map, row and column of a pixel.
#[cube]
fn place(pixel: usize, height: usize, width: usize) -> (usize, usize, usize) {
    let area = height * width;
    let map = pixel / area;
    let inside = pixel - map * area;
    (map * area, inside / width, inside % width)
}

/// `SiLU` of the convolution. A unit owns an element of the result.
#[cube(launch_unchecked)]
pub(crate) fn depthwise_output(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32], // [pixels, channels]
    at: Columns,
    pixels: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= pixels * channels {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (first, row, column) = place(pixel, height, width);
    let z = convolved(x, weight, bias, at, first, row, column, height, width, channel);
    y[ABSOLUTE_POS] = z * sigmoid(z);
}

/// The gradient before `SiLU`. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn depthwise_before(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    dy: &[f32],     // [pixels, channels]
    dz: &mut [f32], // [pixels, channels]
    at: Columns,
    pixels: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= pixels * channels {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (first, row, column) = place(pixel, height, width);
    let z = convolved(x, weight, bias, at, first, row, column, height, width, channel);
    dz[ABSOLUTE_POS] = dy[ABSOLUTE_POS] * silu_slope(z, sigmoid(z));
}

/// The gradient of the input, from that before `SiLU`. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn depthwise_input(
    dz: &[f32], // [pixels, channels]
    weight: &[f32],
    dx: &mut [f32],
    at: Columns,
    pixels: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= pixels * channels {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (first, row, column) = place(pixel, height, width);
    let mut sum = 0.0f32;
    #[unroll]
    for tap in 0..TAPS {
        let (y, x_one) = (row + tap / 3, column + tap % 3);
        if y > 0 && y <= height && x_one > 0 && x_one <= width {
            let neighbour = first + (y - 1) * width + x_one - 1;
            sum += dz[neighbour * channels + channel] * weight[channel * TAPS + comptime!(TAPS - 1 - tap)];
        }
    }
    dx[at.row(pixel) + channel] = sum;
}

/// Some pixels' part of the gradients of weights `[channels, 9]` and bias `[channels]`, one after the other. A cube owns [`LANES`]
/// channels of `some` pixels.
#[cube(launch_unchecked)]
pub(crate) fn depthwise_weight(
    x: &[f32],
    dz: &[f32], // [pixels, channels]
    parts: &mut [f32],
    at: Columns,
    pixels: usize,
    height: usize,
    width: usize,
    channels: usize,
    some: usize,
    cubes: usize,
) {
    if CUBE_POS >= cubes {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let tiles = channels.div_ceil(LANES);
    let (part, tile) = (CUBE_POS / tiles, CUBE_POS % tiles);
    let wanted = tile * LANES + lane;
    let channel = select::<usize>(wanted < channels, wanted, channels - 1);
    let stop = usize::min((part + 1) * some, pixels);
    let mut sums = Array::<f32>::new(comptime!(TAPS + 1));
    #[unroll]
    for tap in 0..comptime!(TAPS + 1) {
        sums[tap] = 0.0f32;
    }
    let mut pixel = part * some + sub;
    while pixel < stop {
        let (first, row, column) = place(pixel, height, width);
        let gradient = dz[pixel * channels + channel];
        sums[TAPS] = sums[TAPS] + gradient;
        #[unroll]
        for tap in 0..TAPS {
            let (y, x_one) = (row + tap / 3, column + tap % 3);
            if y > 0 && y <= height && x_one > 0 && x_one <= width {
                let neighbour = first + (y - 1) * width + x_one - 1;
                sums[tap] = sums[tap] + gradient * x[at.row(neighbour) + channel];
            }
        }
        pixel += SUBS;
    }
    let from = part * comptime!(TAPS + 1) * channels;
    #[unroll]
    for tap in 0..comptime!(TAPS + 1) {
        let mut found = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
        let sum = sum_subs(sums[tap], sub, lane, &mut found);
        if sub == 0 && wanted < channels {
            if comptime!(tap < TAPS) {
                parts[from + channel * TAPS + tap] = sum;
            } else {
                parts[from + TAPS * channels + channel] = sum;
            }
        }
    }
}
