use super::layout::ScanLayout;
use cubecl::prelude::*;

/// Replaces what every chunk makes of zero (its end) by what it starts from.
///
/// A chunk decays what it is given by `exp(a * sum of its steps)`, whichever way it is walked, so one number a chunk and
/// channel is all that is needed. A unit owns one state of one channel and goes through the chunks, backwards where
/// `reverse`; no barrier, no shared memory.
#[cube(launch_unchecked)]
pub(crate) fn carry_states(
    a: &[f32],        // [G * D, N]
    sums: &[f32],     // [B, G, C, D]
    ends: &mut [f32], // [B, G, C, N, D]
    layout: &ScanLayout,
    units: usize,
    #[comptime] states: usize,
    #[comptime] reverse: bool,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let channel = ABSOLUTE_POS % layout.channels;
    let n = (ABSOLUTE_POS / layout.channels) % states;
    let sequence = ABSOLUTE_POS / (layout.channels * states);
    let group = sequence % layout.groups;
    let decay = a[(group * layout.channels + channel) * states + n];
    let mut carried = 0.0f32;
    for walked in 0..layout.chunks {
        let chunk = if reverse { layout.chunks - 1 - walked } else { walked };
        let at = sequence * layout.chunks + chunk;
        let index = (at * states + n) * layout.channels + channel;
        let end = ends[index];
        ends[index] = carried;
        carried = end + (decay * sums[at * layout.channels + channel]).exp() * carried;
    }
}
