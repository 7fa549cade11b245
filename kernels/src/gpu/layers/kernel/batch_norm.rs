use super::rows::{LANES, SUBS, sum_subs};
use cubecl::prelude::*;

/// Difference of an element to the mean of its column, and the result before `ReLU`; the same in both passes, so that they agree on its
/// sign.
#[cube]
fn normalised(
    x: &[f32],
    mean: &[f32],
    variance: &[f32],
    scale: &[f32],
    shift: &[f32],
    index: usize,
    column: usize,
    epsilon: f32,
) -> (f32, f32) {
    let difference = x[index] - mean[column];
    let factor = scale[column] / (variance[column] + epsilon).sqrt();
    (difference, difference * factor + shift[column])
}

/// Batch normalisation and `ReLU`. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn batch_rows(
    x: &[f32], // [rows, columns]
    mean: &[f32],
    variance: &[f32],
    scale: &[f32],
    shift: &[f32],
    y: &mut [f32],
    elements: usize,
    columns: usize,
    epsilon: f32,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let column = ABSOLUTE_POS % columns;
    let (_, value) = normalised(x, mean, variance, scale, shift, ABSOLUTE_POS, column, epsilon);
    // A selection keeps NaN, which a maximum may drop.
    y[ABSOLUTE_POS] = select::<f32>(value < 0.0f32, f32::new(0.0f32), value);
}

/// Some rows' sums of `dz (x - mean)` and `dz`, where `dz` is the gradient before `ReLU`: `[parts, 2, columns]`. A cube owns [`LANES`]
/// columns of `some` rows.
#[cube(launch_unchecked)]
pub(crate) fn batch_columns(
    x: &[f32],
    mean: &[f32],
    variance: &[f32],
    scale: &[f32],
    shift: &[f32],
    dy: &[f32],
    parts: &mut [f32],
    rows: usize,
    columns: usize,
    some: usize,
    cubes: usize,
    epsilon: f32,
) {
    if CUBE_POS >= cubes {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let tiles = columns.div_ceil(LANES);
    let (part, tile) = (CUBE_POS / tiles, CUBE_POS % tiles);
    let wanted = tile * LANES + lane;
    let column = select::<usize>(wanted < columns, wanted, columns - 1);
    let stop = usize::min((part + 1) * some, rows);
    let mut product = 0.0f32;
    let mut sum = 0.0f32;
    let mut row = part * some + sub;
    while row < stop {
        let index = row * columns + column;
        let (difference, value) = normalised(x, mean, variance, scale, shift, index, column, epsilon);
        let dz = select::<f32>(value <= 0.0f32, f32::new(0.0f32), dy[index]);
        product += dz * difference;
        sum += dz;
        row += SUBS;
    }
    let mut products = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut sums = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let product = sum_subs(product, sub, lane, &mut products);
    let sum = sum_subs(sum, sub, lane, &mut sums);
    if sub == 0 && wanted < columns {
        parts[part * 2 * columns + column] = product;
        parts[(part * 2 + 1) * columns + column] = sum;
    }
}

/// The gradient of the rows, from the sums over all of them, and that of the scale. A unit owns an element.
///
/// `dx = factor (dz - Σdz / rows - (x - mean) Σ(dz (x - mean)) / (rows (variance + ε)))`
#[cube(launch_unchecked)]
pub(crate) fn batch_slopes(
    x: &[f32],
    mean: &[f32],
    variance: &[f32],
    scale: &[f32],
    shift: &[f32],
    dy: &[f32],
    products: &[f32],
    sums: &[f32],
    dx: &mut [f32],
    dscale: &mut [f32],
    elements: usize,
    columns: usize,
    epsilon: f32,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let column = ABSOLUTE_POS % columns;
    let rows = f32::cast_from(elements / columns);
    let inverse = 1.0f32 / (variance[column] + epsilon);
    let rate = inverse.sqrt();
    if ABSOLUTE_POS < columns {
        dscale[column] = products[column] * rate;
    }
    let (difference, value) = normalised(x, mean, variance, scale, shift, ABSOLUTE_POS, column, epsilon);
    let dz = select::<f32>(value <= 0.0f32, f32::new(0.0f32), dy[ABSOLUTE_POS]);
    let slope = products[column] * inverse / rows;
    dx[ABSOLUTE_POS] = scale[column] * rate * (dz - sums[column] / rows - difference * slope);
}
