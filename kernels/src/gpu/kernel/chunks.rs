use super::{
    layout::{ScanLayout, Walk, chunk_end, in_row, place, row_extent, state_base},
    step::{decay_of, load_row, rate_of, raw_step, step_size},
};
use crate::gpu::blueprint::Blueprint;
use cubecl::prelude::*;

/// Walks every chunk from the state it is given, or from zero, and writes `y`.
///
/// A unit owns one channel of one chunk; no barrier, no shared memory. The pixels of one group's chunks are distinct, so
/// with `accumulate` a launch may add to what the one before it wrote for another group of the same part.
#[cube(launch_unchecked)]
pub(crate) fn scan_chunks<F: Float, O: Float>(
    u: &[F],                // [B, G * D, L]
    step: &[F],             // [B, G * D, L] or rows of R
    b: &[F],                // [B, G, N, L]
    c: &[F],                // [B, G, N, L]
    a: &[f32],              // [G * D, N]
    weight: &[f32],         // [G * D, R]
    bias: &[f32],           // [G * D]
    skip: &[f32],           // [G * D]
    starts: &[f32],         // [B, G, C, N, D]
    y: &mut [O],            // [B, G * D, L], or [P, B, L, D] of a map
    last_state: &mut [f32], // [B, G * D, N]
    layout: &ScanLayout,
    #[comptime] blueprint: Blueprint,
    #[define(F, O)] _elements: [ElemType; 2],
) {
    if CUBE_POS >= layout.cubes {
        terminate!();
    }
    let (batch, part, chunk, tile) = place(layout);
    let group = part * layout.slots + layout.slot;
    let channel = tile * CUBE_DIM_X as usize + UNIT_POS_X as usize;
    if channel >= layout.channels {
        terminate!();
    }
    let states = comptime!(blueprint.states);
    let rank = comptime!(blueprint.rank);
    let unroll = comptime!(blueprint.unroll());
    let parameter = group * layout.channels + channel;
    let weights = load_row(weight, parameter, rank);
    let mut bias_value = 0.0f32;
    if blueprint.bias {
        bias_value = bias[parameter];
    }
    let mut skip_value = 0.0f32;
    if blueprint.skip {
        skip_value = skip[parameter];
    }
    let mut decay = Array::<f32>::new(states);
    let mut h = Array::<f32>::new(states);
    let start_base = state_base(layout, batch, group, chunk, channel, states);
    #[unroll(unroll)]
    for n in 0..states {
        decay[n] = rate_of(a[parameter * states + n], blueprint.powers);
        h[n] = 0.0f32;
        if blueprint.carried {
            h[n] = starts[start_base + n * layout.channels];
        }
    }
    let u_base = batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel;
    let step_base = batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel;
    let row_base = batch * layout.row_batch + group * layout.row_group;
    let out_base = batch * layout.out_batch + part * layout.out_part + channel * layout.u_channel;
    let start = chunk * layout.chunk;
    let mut walk = Walk::at(layout, group, start);
    for _ in start..chunk_end(layout, chunk) {
        let pixel = walk.pixel();
        walk.forth(blueprint.map);
        let u_value = f32::cast_from(u[u_base + pixel * layout.u_position]);
        let x = raw_step::<F>(step, step_base + pixel * layout.step_position, &weights, bias_value, rank);
        let dt = step_size(x, blueprint.softplus);
        let scaled = dt * u_value;
        let row = row_base + pixel * layout.row_position;
        let b_row = &b[row + layout.b_offset..row + layout.b_offset + row_extent(layout, states, blueprint.map)];
        let c_row = &c[row + layout.c_offset..row + layout.c_offset + row_extent(layout, states, blueprint.map)];
        let mut sum = 0.0f32;
        if blueprint.skip {
            sum = skip_value * u_value;
        }
        #[unroll(unroll)]
        for n in 0..states {
            let at = in_row(layout, n, blueprint.map);
            let next = decay_of(dt, decay[n], blueprint.powers) * h[n] + scaled * f32::cast_from(b_row[at]);
            h[n] = next;
            sum += next * f32::cast_from(c_row[at]);
        }
        let out = out_base + pixel * layout.u_position;
        if blueprint.accumulate {
            sum += f32::cast_from(y[out]);
        }
        y[out] = O::cast_from(sum);
    }
    if blueprint.last_state {
        if chunk + 1 == layout.chunks {
            let last_base = (batch * layout.groups * layout.channels + parameter) * states;
            #[unroll(unroll)]
            for n in 0..states {
                last_state[last_base + n] = h[n];
            }
        }
    }
}
