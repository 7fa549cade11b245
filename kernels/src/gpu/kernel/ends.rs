use super::{
    layout::{ScanLayout, Walk, chunk_end, in_row, place, row_extent, state_base},
    step::{decay_of, load_row, rate_of, raw_step, step_size},
};
use crate::gpu::blueprint::Blueprint;
use cubecl::prelude::*;

/// What every chunk does to a zero state, and its sum of steps.
///
/// A unit owns one channel of one chunk; no barrier, no shared memory.
#[cube(launch_unchecked)]
pub(crate) fn chunk_ends<F: Float>(
    u: &[F],          // [B, G * D, L]
    step: &[F],       // [B, G * D, L] or rows of R
    b: &[F],          // [B, G, N, L]
    a: &[f32],        // [G * D, N]
    weight: &[f32],   // [G * D, R]
    bias: &[f32],     // [G * D]
    ends: &mut [f32], // [B, G, C, N, D]
    sums: &mut [f32], // [B, G, C, D]
    layout: &ScanLayout,
    #[comptime] blueprint: Blueprint,
    #[define(F)] _element: ElemType,
) {
    if CUBE_POS >= layout.cubes {
        terminate!();
    }
    let (batch, group, chunk, tile) = place(layout);
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
    let mut decay = Array::<f32>::new(states);
    let mut h = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        decay[n] = rate_of(a[parameter * states + n], blueprint.powers);
        h[n] = 0.0f32;
    }
    let u_base = batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel;
    let step_base = batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel;
    let b_base = batch * layout.row_batch + group * layout.row_group + layout.b_offset;
    let mut sum = 0.0f32;
    let start = chunk * layout.chunk;
    let mut walk = Walk::at(layout, group, start);
    for _ in start..chunk_end(layout, chunk) {
        let pixel = walk.pixel();
        walk.forth(blueprint.map);
        let x = raw_step::<F>(step, step_base + pixel * layout.step_position, &weights, bias_value, rank);
        let dt = step_size(x, blueprint.softplus);
        let scaled = dt * f32::cast_from(u[u_base + pixel * layout.u_position]);
        let b_pixel = b_base + pixel * layout.row_position;
        let b_row = &b[b_pixel..b_pixel + row_extent(layout, states, blueprint.map)];
        sum += dt;
        #[unroll(unroll)]
        for n in 0..states {
            let injected = scaled * f32::cast_from(b_row[in_row(layout, n, blueprint.map)]);
            h[n] = decay_of(dt, decay[n], blueprint.powers) * h[n] + injected;
        }
    }
    let base = state_base(layout, batch, group, chunk, channel, states);
    #[unroll(unroll)]
    for n in 0..states {
        ends[base + n * layout.channels] = h[n];
    }
    sums[((batch * layout.groups + group) * layout.chunks + chunk) * layout.channels + channel] = sum;
}

/// What every chunk makes of the gradient of `y` alone: the gradient of its first state where that of its last is zero.
///
/// A unit owns one channel of one chunk; no barrier, no shared memory.
#[cube(launch_unchecked)]
pub(crate) fn reverse_ends<F: Float>(
    step: &[F],       // [B, G * D, L] or rows of R
    c: &[F],          // [B, G, N, L]
    dy: &[F],         // [B, G * D, L]
    a: &[f32],        // [G * D, N]
    weight: &[f32],   // [G * D, R]
    bias: &[f32],     // [G * D]
    ends: &mut [f32], // [B, G, C, N, D]
    layout: &ScanLayout,
    #[comptime] blueprint: Blueprint,
    #[define(F)] _element: ElemType,
) {
    if CUBE_POS >= layout.cubes {
        terminate!();
    }
    let (batch, group, chunk, tile) = place(layout);
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
    let mut decay = Array::<f32>::new(states);
    let mut carry = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        decay[n] = rate_of(a[parameter * states + n], blueprint.powers);
        carry[n] = 0.0f32;
    }
    let u_base = batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel;
    let step_base = batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel;
    let c_base = batch * layout.row_batch + group * layout.row_group + layout.c_offset;
    let end = chunk_end(layout, chunk);
    let mut walk = Walk::at(layout, group, end - 1);
    for _ in chunk * layout.chunk..end {
        let pixel = walk.pixel();
        walk.back(blueprint.map);
        let x = raw_step::<F>(step, step_base + pixel * layout.step_position, &weights, bias_value, rank);
        let dt = step_size(x, blueprint.softplus);
        let dy_value = f32::cast_from(dy[u_base + pixel * layout.u_position]);
        let c_pixel = c_base + pixel * layout.row_position;
        let c_row = &c[c_pixel..c_pixel + row_extent(layout, states, blueprint.map)];
        #[unroll(unroll)]
        for n in 0..states {
            let d = carry[n] + dy_value * f32::cast_from(c_row[in_row(layout, n, blueprint.map)]);
            carry[n] = decay_of(dt, decay[n], blueprint.powers) * d;
        }
    }
    let base = state_base(layout, batch, group, chunk, channel, states);
    #[unroll(unroll)]
    for n in 0..states {
        ends[base + n * layout.channels] = carry[n];
    }
}
