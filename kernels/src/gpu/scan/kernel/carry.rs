use super::layout::ScanLayout;
use cubecl::prelude::*;

/// Chunks whose ends and sums are loaded at the same time.
const AHEAD: usize = 16;

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
    let mut loaded = Array::<f32>::new(AHEAD);
    let mut decays = Array::<f32>::new(AHEAD);
    for some in 0..layout.chunks.div_ceil(AHEAD) {
        #[unroll]
        for i in 0..AHEAD {
            let at = place(layout, sequence, some * AHEAD + i, reverse);
            loaded[i] = ends[(at * states + n) * layout.channels + channel];
            decays[i] = sums[at * layout.channels + channel];
        }
        #[unroll]
        for i in 0..AHEAD {
            let walked = some * AHEAD + i;
            if walked < layout.chunks {
                let at = place(layout, sequence, walked, reverse);
                ends[(at * states + n) * layout.channels + channel] = carried;
                carried = loaded[i] + (decay * decays[i]).exp() * carried;
            }
        }
    }
}

/// Of all chunks the one that a sequence meets `walked`-th, or last.
#[cube]
fn place(layout: &ScanLayout, sequence: usize, walked: usize, #[comptime] reverse: bool) -> usize {
    let walked = select::<usize>(walked < layout.chunks, walked, layout.chunks - 1);
    let chunk = if reverse { layout.chunks - 1 - walked } else { walked };
    sequence * layout.chunks + chunk
}
