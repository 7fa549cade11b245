use super::rows::{Columns, LANES, SUBS, sum_lanes, sum_subs};
use cubecl::prelude::*;

/// Sums of the columns over some rows each, or of the squares of their differences to `mean`: `[parts, columns]`. A cube owns
/// [`LANES`] columns of `some` rows.
#[cube(launch_unchecked)]
pub(crate) fn sum_some_rows(
    x: &[f32],
    mean: &[f32],
    parts: &mut [f32],
    at: Columns,
    rows: usize,
    columns: usize,
    some: usize,
    cubes: usize,
    #[comptime] squares: bool,
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
    let mut sum = 0.0f32;
    let mut row = part * some + sub;
    while row < stop {
        let value = x[at.row(row) + column];
        if squares {
            let centred = value - mean[column];
            sum += centred * centred;
        } else {
            sum += value;
        }
        row += SUBS;
    }
    let mut sums = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let sum = sum_subs(sum, sub, lane, &mut sums);
    if sub == 0 && wanted < columns {
        parts[part * columns + column] = sum;
    }
}

/// Adds `count` partial results of `elements` each, in order, times `factor`, and deals them out: the first `split` to one result
/// from `offset` on, the others to the other. A cube owns [`LANES`] elements.
#[cube(launch_unchecked)]
pub(crate) fn sum_partials(
    parts: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    count: usize,
    elements: usize,
    split: usize,
    offset: usize,
    factor: f32,
    #[comptime] has_second: bool,
) {
    if CUBE_POS * LANES >= elements {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let wanted = CUBE_POS * LANES + lane;
    let element = select::<usize>(wanted < elements, wanted, elements - 1);
    let mut sum = 0.0f32;
    let mut part = sub;
    while part < count {
        sum += parts[part * elements + element];
        part += SUBS;
    }
    let mut sums = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let sum = sum_subs(sum, sub, lane, &mut sums) * factor;
    if sub == 0 && wanted < elements {
        if has_second {
            if element < split {
                first[offset + element] = sum;
            } else {
                second[element - split] = sum;
            }
        } else {
            first[offset + element] = sum;
        }
    }
}

/// Tensors that [`sum_squares`] takes.
pub(crate) const TENSORS: usize = 14;
/// Cubes that share a tensor there.
pub(crate) const SQUARE_PARTS: usize = 32;

/// The sum of the squares of some elements.
#[cube]
fn squares(x: &[f32], len: usize, first: usize, step: usize) -> f32 {
    let mut sum = 0.0f32;
    let mut index = first;
    while index < len {
        sum += x[index] * x[index];
        index += step;
    }
    sum
}

/// Sums of the squares of up to [`TENSORS`] tensors, each over some of their elements: `[SQUARE_PARTS, count]`. A tensor that is absent has
/// no elements.
#[cube(launch_unchecked)]
pub(crate) fn sum_squares(
    x0: &[f32],
    len0: usize,
    x1: &[f32],
    len1: usize,
    x2: &[f32],
    len2: usize,
    x3: &[f32],
    len3: usize,
    x4: &[f32],
    len4: usize,
    x5: &[f32],
    len5: usize,
    x6: &[f32],
    len6: usize,
    x7: &[f32],
    len7: usize,
    x8: &[f32],
    len8: usize,
    x9: &[f32],
    len9: usize,
    x10: &[f32],
    len10: usize,
    x11: &[f32],
    len11: usize,
    x12: &[f32],
    len12: usize,
    x13: &[f32],
    len13: usize,
    parts: &mut [f32],
    count: usize,
) {
    if CUBE_POS >= count * SQUARE_PARTS {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let (tensor, part) = (CUBE_POS / SQUARE_PARTS, CUBE_POS % SQUARE_PARTS);
    let first = part * comptime!(LANES * SUBS) + UNIT_POS_X as usize;
    let step = comptime!(LANES * SUBS * SQUARE_PARTS);
    let mut sum = 0.0f32;
    if tensor == 0 {
        sum = squares(x0, len0, first, step);
    } else if tensor == 1 {
        sum = squares(x1, len1, first, step);
    } else if tensor == 2 {
        sum = squares(x2, len2, first, step);
    } else if tensor == 3 {
        sum = squares(x3, len3, first, step);
    } else if tensor == 4 {
        sum = squares(x4, len4, first, step);
    } else if tensor == 5 {
        sum = squares(x5, len5, first, step);
    } else if tensor == 6 {
        sum = squares(x6, len6, first, step);
    } else if tensor == 7 {
        sum = squares(x7, len7, first, step);
    } else if tensor == 8 {
        sum = squares(x8, len8, first, step);
    } else if tensor == 9 {
        sum = squares(x9, len9, first, step);
    } else if tensor == 10 {
        sum = squares(x10, len10, first, step);
    } else if tensor == 11 {
        sum = squares(x11, len11, first, step);
    } else if tensor == 12 {
        sum = squares(x12, len12, first, step);
    } else if tensor == 13 {
        sum = squares(x13, len13, first, step);
    }
    let mut of_columns = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut of_rows = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let sum = sum_subs(sum, sub, lane, &mut of_columns);
    // units of other rows hold nothing, and all meet at the barrier
    let sum = sum_lanes(sum, sub, lane, &mut of_rows);
    if UNIT_POS_X == 0 {
        parts[part * count + tensor] = sum;
    }
}
