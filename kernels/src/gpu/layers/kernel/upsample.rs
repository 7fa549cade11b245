use cubecl::prelude::*;

/// Where output `o` of a side of `size` inputs comes from: the input at or before it, and the share of the next one.
///
/// It lies at `o (size - 1) / (2 size - 1)`.
#[cube]
fn source(output: usize, size: usize) -> (usize, f32) {
    let place = output * (size - 1);
    let steps = 2 * size - 1;
    let at = place / steps;
    (at, f32::cast_from(place - at * steps) / f32::cast_from(steps))
}

/// The outputs of a side that input `i` may feed: from the first on, and before the last.
#[cube]
fn outputs(input: usize, size: usize) -> (usize, usize) {
    let (span, steps) = (usize::max(size - 1, 1), 2 * size - 1);
    let before = select::<usize>(input > 0, input, 1) - 1;
    let first = select::<usize>(input > 0, (before * steps).div_ceil(span), 0);
    let last = select::<usize>(input + 1 < size, ((input + 1) * steps).div_ceil(span), 2 * size);
    (first, last)
}

/// The weight of an input in an output.
#[cube]
fn weight(input: usize, output: usize, size: usize) -> f32 {
    let (at, share) = source(output, size);
    let of_next = select::<f32>(at + 1 == input, share, f32::new(0.0f32));
    select::<f32>(at == input, 1.0f32 - share, of_next)
}

/// Doubles a map bilinearly with aligned corners. A unit owns an element of the result.
#[cube(launch_unchecked)]
pub(crate) fn upsample_output(
    x: &[f32],     // [B, H, W, C]
    y: &mut [f32], // [B, 2 H, 2 W, C]
    elements: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (line, column) = (pixel / (2 * width), pixel % (2 * width));
    let (map, row) = (line / (2 * height), line % (2 * height));
    let (top, down) = source(row, height);
    let (left, right) = source(column, width);
    let bottom = usize::min(top + 1, height - 1);
    let beside = usize::min(left + 1, width - 1);
    let upper = (map * height + top) * width;
    let lower = (map * height + bottom) * width;
    let a = x[(upper + left) * channels + channel];
    let b = x[(upper + beside) * channels + channel];
    let c = x[(lower + left) * channels + channel];
    let d = x[(lower + beside) * channels + channel];
    let first = a + down * (c - a);
    let second = b + down * (d - b);
    y[ABSOLUTE_POS] = first + right * (second - first);
}

/// Its gradient. A unit owns an element of the map.
#[cube(launch_unchecked)]
pub(crate) fn upsample_input(
    dy: &[f32],     // [B, 2 H, 2 W, C]
    dx: &mut [f32], // [B, H, W, C]
    elements: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (line, column) = (pixel / width, pixel % width);
    let (map, row) = (line / height, line % height);
    let (top, bottom) = outputs(row, height);
    let (left, right) = outputs(column, width);
    let mut sum = 0.0f32;
    for y in top..bottom {
        let down = weight(row, y, height);
        for x in left..right {
            let at = ((map * 2 * height + y) * 2 * width + x) * channels + channel;
            sum += dy[at] * (down * weight(column, x, width));
        }
    }
    dx[ABSOLUTE_POS] = sum;
}

/// Adds to a map one of half the size, of which each pixel counts for four. A unit owns an element of the large map.
#[cube(launch_unchecked)]
pub(crate) fn add_doubled(
    small: &[f32],     // [B, H, W, C]
    large: &mut [f32], // [B, 2 H, 2 W, C]
    elements: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (line, column) = (pixel / (2 * width), pixel % (2 * width));
    let (map, row) = (line / (2 * height), line % (2 * height));
    let at = ((map * height + row / 2) * width + column / 2) * channels + channel;
    large[ABSOLUTE_POS] = large[ABSOLUTE_POS] + small[at];
}

/// Sums the four pixels that [`add_doubled`] makes of one. A unit owns an element of the small map.
#[cube(launch_unchecked)]
pub(crate) fn sum_fours(
    large: &[f32],     // [B, 2 H, 2 W, C]
    small: &mut [f32], // [B, H, W, C]
    elements: usize,
    height: usize,
    width: usize,
    channels: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, channel) = (ABSOLUTE_POS / channels, ABSOLUTE_POS % channels);
    let (line, column) = (pixel / width, pixel % width);
    let (map, row) = (line / height, line % height);
    let upper = ((map * 2 * height + 2 * row) * 2 * width + 2 * column) * channels + channel;
    let lower = upper + 2 * width * channels;
    small[ABSOLUTE_POS] = (large[upper] + large[upper + channels]) + (large[lower] + large[lower + channels]);
}
