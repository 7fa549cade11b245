use super::{
    activation::{gelu_slope, normal},
    rows::{Columns, LANES, SUBS, sigmoid, silu_slope, sum_lanes, sum_subs},
};
use cubecl::prelude::*;

/// What follows a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NormKind {
    /// Nothing.
    Plain,
    /// GELU.
    Gelu,
    /// The product with `SiLU(gate)`.
    Gated,
}

/// Mean of a row, and one over its standard deviation.
///
/// In two passes over the row: the square of a mean that is far from zero would swallow the variance.
#[cube]
fn statistics(x: &[f32], first: usize, columns: usize, epsilon: f32, sub: usize, lane: usize) -> (f32, f32) {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut squares = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut sum = 0.0f32;
    let mut column = lane;
    while column < columns {
        sum += x[first + column];
        column += LANES;
    }
    let count = f32::cast_from(columns);
    let mean = sum_lanes(sum, sub, lane, &mut sums) / count;
    let mut square = 0.0f32;
    let mut column = lane;
    while column < columns {
        let centred = x[first + column] - mean;
        square += centred * centred;
        column += LANES;
    }
    let variance = sum_lanes(square, sub, lane, &mut squares) / count;
    (mean, 1.0f32 / (variance + epsilon).sqrt())
}

/// Normalises rows: [`LANES`] units a row, [`SUBS`] rows a cube.
#[cube(launch_unchecked)]
pub(crate) fn norm_rows(
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    gate: &[f32],
    y: &mut [f32], // [rows, columns]
    at: Columns,
    gate_at: Columns,
    rows: usize,
    columns: usize,
    epsilon: f32,
    #[comptime] kind: NormKind,
) {
    if CUBE_POS * SUBS >= rows {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let wanted = CUBE_POS * SUBS + sub;
    // Units without a row go along with the last one: all meet at the barriers.
    let row = select::<usize>(wanted < rows, wanted, rows - 1);
    let first = at.row(row);
    let (mean, rate) = statistics(x, first, columns, epsilon, sub, lane);
    if wanted < rows {
        let mut column = lane;
        while column < columns {
            let mut value = (x[first + column] - mean) * rate * scale[column] + shift[column];
            if comptime!(kind == NormKind::Gated) {
                let z = gate[gate_at.row(row) + column];
                value *= z * sigmoid(z);
            }
            if comptime!(kind == NormKind::Gelu) {
                value *= normal(value);
            }
            y[row * columns + column] = value;
            column += LANES;
        }
    }
}

/// The gradient of the rows, their statistics `[rows, 2]`, and of a gated one the gradient of the gate and the result once more.
///
/// `dx = rate (g - mean(g) - x̂ mean(g x̂))` with `g = dy scale`, plus the gradient that comes around the branch where there is one.
#[cube(launch_unchecked)]
pub(crate) fn norm_slopes(
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    gate: &[f32],
    dy: &[f32],     // [rows, columns]
    around: &[f32], // [rows, columns]
    dx: &mut [f32], // [rows, columns]
    statistics_of: &mut [f32],
    dgate: &mut [f32],
    y: &mut [f32],
    at: Columns,
    gate_at: Columns,
    rows: usize,
    columns: usize,
    epsilon: f32,
    #[comptime] kind: NormKind,
    #[comptime] has_around: bool,
) {
    if CUBE_POS * SUBS >= rows {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let wanted = CUBE_POS * SUBS + sub;
    let row = select::<usize>(wanted < rows, wanted, rows - 1);
    let first = at.row(row);
    let gate_first = gate_at.row(row);
    let (mean, rate) = statistics(x, first, columns, epsilon, sub, lane);

    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut column = lane;
    while column < columns {
        let normal_value = (x[first + column] - mean) * rate;
        let mut g = dy[row * columns + column] * scale[column];
        if comptime!(kind == NormKind::Gated) {
            let z = gate[gate_first + column];
            g *= z * sigmoid(z);
        }
        if comptime!(kind == NormKind::Gelu) {
            g *= gelu_slope(normal_value * scale[column] + shift[column]);
        }
        sum += g;
        product += g * normal_value;
        column += LANES;
    }
    let mut sums = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut products = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let count = f32::cast_from(columns);
    let mean_g = sum_lanes(sum, sub, lane, &mut sums) / count;
    let mean_product = sum_lanes(product, sub, lane, &mut products) / count;

    if wanted < rows {
        if lane == 0 {
            statistics_of[2 * row] = mean;
            statistics_of[2 * row + 1] = rate;
        }
        let mut column = lane;
        while column < columns {
            let index = row * columns + column;
            let normal_value = (x[first + column] - mean) * rate;
            let given = dy[index];
            let mut g = given * scale[column];
            if comptime!(kind == NormKind::Gated) {
                let z = gate[gate_first + column];
                let s = sigmoid(z);
                let value = normal_value * scale[column] + shift[column];
                dgate[gate_first + column] = given * value * silu_slope(z, s);
                y[index] = value * z * s;
                g *= z * s;
            }
            if comptime!(kind == NormKind::Gelu) {
                g *= gelu_slope(normal_value * scale[column] + shift[column]);
            }
            let mut gradient = rate * (g - mean_g - normal_value * mean_product);
            if has_around {
                gradient += around[index];
            }
            dx[index] = gradient;
            column += LANES;
        }
    }
}

/// Some rows' part of the gradients of scale and shift: `[parts, 2, columns]`. A cube owns [`LANES`] columns of `some` rows.
#[cube(launch_unchecked)]
pub(crate) fn norm_columns(
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    gate: &[f32],
    dy: &[f32], // [rows, columns]
    statistics_of: &[f32],
    parts: &mut [f32],
    at: Columns,
    gate_at: Columns,
    rows: usize,
    columns: usize,
    some: usize,
    cubes: usize,
    #[comptime] kind: NormKind,
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
    let mut dscale = 0.0f32;
    let mut dshift = 0.0f32;
    let mut row = part * some + sub;
    while row < stop {
        let normal_value = (x[at.row(row) + column] - statistics_of[2 * row]) * statistics_of[2 * row + 1];
        let mut given = dy[row * columns + column];
        if comptime!(kind == NormKind::Gated) {
            let z = gate[gate_at.row(row) + column];
            given *= z * sigmoid(z);
        }
        if comptime!(kind == NormKind::Gelu) {
            given *= gelu_slope(normal_value * scale[column] + shift[column]);
        }
        dshift += given;
        dscale += given * normal_value;
        row += SUBS;
    }
    let mut scales = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut shifts = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let dscale = sum_subs(dscale, sub, lane, &mut scales);
    let dshift = sum_subs(dshift, sub, lane, &mut shifts);
    if sub == 0 && wanted < columns {
        parts[part * 2 * columns + column] = dscale;
        parts[(part * 2 + 1) * columns + column] = dshift;
    }
}
