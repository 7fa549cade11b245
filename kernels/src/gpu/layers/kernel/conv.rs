use super::rows::{LANES, SUBS, sum_subs};
use cubecl::prelude::*;

/// Sizes of a convolution. A patch is what one output sees: `[kernel, kernel, inputs]`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct ConvLayout {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) out_height: usize,
    pub(crate) out_width: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

#[cube]
impl ConvLayout {
    /// First pixel of the map of an output, and the row and column of the tap that sees most of the upper left, counted with padding.
    fn corner(&self, output: usize) -> (usize, usize, usize) {
        let (line, column) = (output / self.out_width, output % self.out_width);
        let (map, row) = (line / self.out_height, line % self.out_height);
        (map * self.height * self.width, row * self.stride, column * self.stride)
    }

    /// Whether a row and column, counted with padding, lie on the map.
    fn inside(&self, row: usize, column: usize) -> bool {
        row >= self.padding
            && row < self.height + self.padding
            && column >= self.padding
            && column < self.width + self.padding
    }

    /// Whether an output sees this row and column of map number `map` by that tap, and which.
    fn seen_by(&self, map: usize, row: usize, column: usize, tap_row: usize, tap_column: usize) -> (bool, usize) {
        let (down, right) = (row + self.padding, column + self.padding);
        let mut is = down >= tap_row && right >= tap_column;
        let mut output = 0usize;
        if is {
            let (top, left) = (down - tap_row, right - tap_column);
            let (out_row, out_column) = (top / self.stride, left / self.stride);
            is = out_row * self.stride == top
                && out_column * self.stride == left
                && out_row < self.out_height
                && out_column < self.out_width;
            output = (map * self.out_height + out_row) * self.out_width + out_column;
        }
        (is, output)
    }

    /// The pixel there.
    fn pixel(&self, first: usize, row: usize, column: usize) -> usize {
        first + (row - self.padding) * self.width + column - self.padding
    }
}

/// The patches of the outputs from `from` on, zeros where they reach over the map. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn gather_patches(
    x: &[f32],           // [B, H, W, inputs]
    patches: &mut [f32], // [outputs' pixels, kernel, kernel, inputs]
    layout: ConvLayout,
    from: usize,
    elements: usize,
    #[comptime] kernel: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (place, input) = (ABSOLUTE_POS / layout.inputs, ABSOLUTE_POS % layout.inputs);
    let taps = comptime!(kernel * kernel);
    let (output, tap) = (from + place / taps, place % taps);
    let (first, top, left) = layout.corner(output);
    let (row, column) = (top + tap / kernel, left + tap % kernel);
    let mut value = 0.0f32;
    if layout.inside(row, column) {
        value = x[layout.pixel(first, row, column) * layout.inputs + input];
    }
    patches[ABSOLUTE_POS] = value;
}

/// The gradient of the map from that of the patches of some whole maps, the first of which is number `sample`. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn scatter_patches(
    dpatches: &[f32], // [outputs' pixels, kernel, kernel, inputs]
    dx: &mut [f32],   // [B, H, W, inputs]
    layout: ConvLayout,
    sample: usize,
    elements: usize,
    #[comptime] kernel: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, input) = (ABSOLUTE_POS / layout.inputs, ABSOLUTE_POS % layout.inputs);
    let (line, column) = (pixel / layout.width, pixel % layout.width);
    let (map, row) = (line / layout.height, line % layout.height);
    let mut sum = 0.0f32;
    for tap in 0..comptime!(kernel * kernel) {
        let (is, output) = layout.seen_by(map, row, column, tap / kernel, tap % kernel);
        if is {
            sum += dpatches[(output * comptime!(kernel * kernel) + tap) * layout.inputs + input];
        }
    }
    dx[sample * layout.height * layout.width * layout.inputs + ABSOLUTE_POS] = sum;
}

/// A convolution with few outputs. A unit owns an element of the result.
#[cube(launch_unchecked)]
pub(crate) fn narrow_output(
    x: &[f32],
    weight: &[f32], // [outputs, inputs, kernel, kernel]
    bias: &[f32],
    y: &mut [f32],
    layout: ConvLayout,
    elements: usize,
    #[comptime] kernel: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, output) = (ABSOLUTE_POS / layout.outputs, ABSOLUTE_POS % layout.outputs);
    let (first, top, left) = layout.corner(pixel);
    let taps = comptime!(kernel * kernel);
    let mut sum = 0.0f32;
    if has_bias {
        sum = bias[output];
    }
    for tap in 0..taps {
        let (row, column) = (top + tap / kernel, left + tap % kernel);
        if layout.inside(row, column) {
            let at = layout.pixel(first, row, column) * layout.inputs;
            for input in 0..layout.inputs {
                sum += x[at + input] * weight[(output * layout.inputs + input) * taps + tap];
            }
        }
    }
    y[ABSOLUTE_POS] = sum;
}

/// The gradient of its input. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn narrow_input(
    dy: &[f32],
    weight: &[f32],
    dx: &mut [f32],
    layout: ConvLayout,
    elements: usize,
    #[comptime] kernel: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let (pixel, input) = (ABSOLUTE_POS / layout.inputs, ABSOLUTE_POS % layout.inputs);
    let (line, column) = (pixel / layout.width, pixel % layout.width);
    let (map, row) = (line / layout.height, line % layout.height);
    let taps = comptime!(kernel * kernel);
    let mut sum = 0.0f32;
    for tap in 0..taps {
        let (is, pixel) = layout.seen_by(map, row, column, tap / kernel, tap % kernel);
        if is {
            for output in 0..layout.outputs {
                sum += dy[pixel * layout.outputs + output] * weight[(output * layout.inputs + input) * taps + tap];
            }
        }
    }
    dx[ABSOLUTE_POS] = sum;
}

/// Some output pixels' part of the gradient of its weights: `[parts, outputs, inputs, kernel, kernel]`. A cube owns [`LANES`] weights of
/// each output and `some` pixels.
#[cube(launch_unchecked)]
pub(crate) fn narrow_weight(
    x: &[f32],
    dy: &[f32],
    parts: &mut [f32],
    layout: ConvLayout,
    pixels: usize,
    some: usize,
    cubes: usize,
    #[comptime] kernel: usize,
    #[comptime] outputs: usize,
) {
    if CUBE_POS >= cubes {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let taps = comptime!(kernel * kernel);
    let columns = taps * layout.inputs;
    let tiles = columns.div_ceil(LANES);
    let (part, tile) = (CUBE_POS / tiles, CUBE_POS % tiles);
    let wanted = tile * LANES + lane;
    let column = select::<usize>(wanted < columns, wanted, columns - 1);
    // neighbours read neighbouring inputs
    let (tap, input) = (column / layout.inputs, column % layout.inputs);
    let stop = usize::min((part + 1) * some, pixels);
    let mut sums = Array::<f32>::new(outputs);
    #[unroll]
    for output in 0..outputs {
        sums[output] = 0.0f32;
    }
    let mut pixel = part * some + sub;
    while pixel < stop {
        let (first, top, left) = layout.corner(pixel);
        let (row, across) = (top + tap / kernel, left + tap % kernel);
        if layout.inside(row, across) {
            let value = x[layout.pixel(first, row, across) * layout.inputs + input];
            #[unroll]
            for output in 0..outputs {
                sums[output] = sums[output] + value * dy[pixel * outputs + output];
            }
        }
        pixel += SUBS;
    }
    #[unroll]
    for output in 0..outputs {
        let mut found = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
        let sum = sum_subs(sums[output], sub, lane, &mut found);
        if sub == 0 && wanted < columns {
            parts[((part * outputs + output) * layout.inputs + input) * taps + tap] = sum;
        }
    }
}
