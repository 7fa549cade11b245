//! How the directions of a map are shared out.
//!
//! Directions meet at every pixel. One task that walks all of them keeps the order of the additions, but few channels then
//! give few tasks. So the directions are cut into parts, each adding into a map of its own; the maps are summed in order.

use crate::cpu::{memory::room, shared::SharedSlice};
use rayon::prelude::*;

/// Tasks that are enough to keep the cores busy; parts are made until there are so many.
const ENOUGH: usize = 12;
/// The most maps that stand side by side.
const MOST: usize = 4;
/// Channels of a forward task: neighbours share the rows and the cache lines of the map.
pub(super) const WIDTH: usize = 32;

/// Into how many parts `directions` are cut when one direction gives `tasks` tasks: 1, 2 or 4.
pub(super) fn parts(directions: usize, tasks: usize) -> usize {
    let mut parts = 1;
    while parts < MOST && 2 * parts <= directions && parts * tasks < ENOUGH {
        parts *= 2;
    }
    parts
}

/// A map a part, with room for `len` values.
pub(super) fn maps(parts: usize, len: usize) -> Vec<Vec<f32>> {
    (0..parts).map(|_| room(len)).collect()
}

/// The maps as outputs.
pub(super) fn outputs(maps: &mut [Vec<f32>]) -> Vec<SharedSlice<'_>> {
    maps.iter_mut().map(SharedSlice::of_capacity).collect()
}

/// Adds all maps, in order, to the first.
///
/// # Safety
///
/// The first `len` values of all maps have been written.
pub(super) unsafe fn sum(mut maps: Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    const CHUNK: usize = 1 << 14;
    for map in &mut maps {
        // SAFETY: the caller has written them, and `maps` made room for them.
        unsafe { map.set_len(len) };
    }
    let mut maps = maps.into_iter();
    let mut total = maps.next().expect("at least one map");
    let others: Vec<_> = maps.collect();
    if !others.is_empty() {
        total.par_chunks_mut(CHUNK).enumerate().for_each(|(index, total)| {
            for other in &others {
                for (total, value) in total.iter_mut().zip(&other[index * CHUNK..]) {
                    *total += value;
                }
            }
        });
    }
    total
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn few_channels_make_parts_and_many_make_none() {
        assert_eq!([1, 3, 6, 12, 96].map(|tasks| parts(8, tasks)), [4, 4, 2, 1, 1]);
        assert_eq!([1, 2, 4, 8].map(|directions| parts(directions, 1)), [1, 2, 4, 4]);
    }
}
