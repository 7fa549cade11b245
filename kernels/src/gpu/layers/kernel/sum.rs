use super::rows::{Columns, LANES, SUBS, sum_subs};
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
