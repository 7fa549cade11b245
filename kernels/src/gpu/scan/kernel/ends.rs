use super::{
    layout::{ScanLayout, chunk_end, place},
    step::decay_of,
    tile::{Tile, span},
    unit::{Own, Unit},
};
use crate::gpu::scan::blueprint::Blueprint;
use cubecl::prelude::*;

/// What every chunk does to a zero state, and its sum of steps.
///
/// A unit owns one channel of one chunk.
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
    let (batch, group, chunk, channel_tile) = place(layout);
    let unit = Unit::new(layout, (batch, group, chunk, channel_tile), a, weight, bias, blueprint);
    let states = comptime!(blueprint.states);
    let unroll = comptime!(blueprint.unroll());
    let tile_steps = comptime!(blueprint.cut.tile);
    let start = chunk * layout.chunk;
    let end = chunk_end(layout, chunk);
    let mut tile = Tile::new(layout, group, start, blueprint);
    let mut us = Own::new(true, blueprint);
    let mut ready = Own::new(comptime!(blueprint.rank == 0), blueprint);
    let mut h = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        h[n] = 0.0f32;
    }
    let mut sum = 0.0f32;
    for index in 0..(end - start).div_ceil(tile_steps) {
        let part = span(start, end, index, tile_steps);
        tile.turn(blueprint);
        tile.fetch_step::<F>(step, layout, unit.step_base, part.steps, blueprint);
        tile.fetch_b::<F>(b, layout, unit.row_base, part.steps, blueprint);
        us.fetch::<F>(u, unit.u_base, layout.u_position, &unit, &tile, blueprint);
        if comptime!(blueprint.rank == 0) {
            ready.fetch::<F>(step, unit.step_base, layout.step_position, &unit, &tile, blueprint);
        }
        tile.look_ahead(layout, group, part.first + tile_steps, blueprint);
        sync_cube();
        for s in 0..part.steps {
            let dt = unit.step(&tile, &ready, s, blueprint);
            let scaled = dt * us.get(&unit, s, blueprint);
            sum += dt;
            let b_row = s * comptime!(blueprint.pitch()) + comptime!(blueprint.b_column());
            #[unroll(unroll)]
            for n in 0..states {
                h[n] = decay_of(dt, unit.rates[n], blueprint.powers) * h[n] + scaled * tile.rows[b_row + n];
            }
        }
    }
    if unit.active {
        #[unroll(unroll)]
        for n in 0..states {
            ends[unit.state_base + n * layout.channels] = h[n];
        }
        let channel = unit.parameter - group * layout.channels;
        sums[((batch * layout.groups + group) * layout.chunks + chunk) * layout.channels + channel] = sum;
    }
}

/// What every chunk makes of the gradient of `y` alone: the gradient of its first state where that of its last is zero.
///
/// A unit owns one channel of one chunk.
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
    let (batch, group, chunk, channel_tile) = place(layout);
    let unit = Unit::new(layout, (batch, group, chunk, channel_tile), a, weight, bias, blueprint);
    let states = comptime!(blueprint.states);
    let unroll = comptime!(blueprint.unroll());
    let tile_steps = comptime!(blueprint.cut.tile);
    let start = chunk * layout.chunk;
    let end = chunk_end(layout, chunk);
    let tiles = (end - start).div_ceil(tile_steps);
    let mut tile = Tile::new(layout, group, start + (tiles - 1) * tile_steps, blueprint);
    let mut dys = Own::new(true, blueprint);
    let mut ready = Own::new(comptime!(blueprint.rank == 0), blueprint);
    let mut carry = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        carry[n] = 0.0f32;
    }
    for walked in 0..tiles {
        let part = span(start, end, tiles - 1 - walked, tile_steps);
        tile.turn(blueprint);
        tile.fetch_step::<F>(step, layout, unit.step_base, part.steps, blueprint);
        tile.fetch_c::<F>(c, layout, unit.row_base, part.steps, blueprint);
        dys.fetch::<F>(dy, unit.u_base, layout.u_position, &unit, &tile, blueprint);
        if comptime!(blueprint.rank == 0) {
            ready.fetch::<F>(step, unit.step_base, layout.step_position, &unit, &tile, blueprint);
        }
        // Before the first tile comes none, whose pixels nobody asks for.
        tile.look_ahead(layout, group, select::<usize>(part.first > start, part.first - tile_steps, start), blueprint);
        sync_cube();
        for back in 0..part.steps {
            // The remainder tells the compiler that no index overflows, so that it loads fours at once.
            let s = (part.steps - 1 - back) % tile_steps;
            let dt = unit.step(&tile, &ready, s, blueprint);
            let dy_value = dys.get(&unit, s, blueprint);
            let c_row = s * comptime!(blueprint.pitch()) + comptime!(blueprint.c_column());
            #[unroll(unroll)]
            for n in 0..states {
                let d = carry[n] + dy_value * tile.rows[c_row + n];
                carry[n] = decay_of(dt, unit.rates[n], blueprint.powers) * d;
            }
        }
    }
    if unit.active {
        #[unroll(unroll)]
        for n in 0..states {
            ends[unit.state_base + n * layout.channels] = carry[n];
        }
    }
}
