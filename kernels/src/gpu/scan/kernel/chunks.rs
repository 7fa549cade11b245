use super::{
    layout::{ScanLayout, chunk_end, place},
    step::decay_of,
    tile::{Tile, span},
    unit::{Own, Unit},
};
use crate::gpu::scan::blueprint::Blueprint;
use cubecl::prelude::*;

/// Walks every chunk from the state it is given, or from zero, and writes `y`.
///
/// A unit owns one channel of one chunk. The pixels of one group's chunks are distinct, so with `accumulate` a launch may add to
/// what the one before it wrote for another group of the same part.
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
    let (batch, part, chunk, channel_tile) = place(layout);
    let group = part * layout.slots + layout.slot;
    let unit = Unit::new(layout, (batch, group, chunk, channel_tile), a, weight, bias, blueprint);
    let states = comptime!(blueprint.states);
    let unroll = comptime!(blueprint.unroll());
    let tile_steps = comptime!(blueprint.cut.tile);
    let mut skip_value = 0.0f32;
    if blueprint.skip {
        skip_value = skip[unit.parameter];
    }
    let channel = unit.parameter - group * layout.channels;
    let out_base = batch * layout.out_batch + part * layout.out_part + channel * layout.u_channel;
    let start = chunk * layout.chunk;
    let end = chunk_end(layout, chunk);
    let mut tile = Tile::new(layout, group, start, blueprint);
    let mut us = Own::new(true, blueprint);
    let mut ready = Own::new(comptime!(blueprint.rank == 0), blueprint);
    let mut written = Own::new(comptime!(blueprint.accumulate), blueprint);
    let mut h = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        h[n] = 0.0f32;
        if blueprint.carried {
            h[n] = starts[unit.state_base + n * layout.channels];
        }
    }
    for index in 0..(end - start).div_ceil(tile_steps) {
        let part = span(start, end, index, tile_steps);
        tile.turn(blueprint);
        tile.fetch_step::<F>(step, layout, unit.step_base, part.steps, blueprint);
        tile.fetch_b::<F>(b, layout, unit.row_base, part.steps, blueprint);
        tile.fetch_c::<F>(c, layout, unit.row_base, part.steps, blueprint);
        us.fetch::<F>(u, unit.u_base, layout.u_position, &unit, &tile, blueprint);
        if comptime!(blueprint.rank == 0) {
            ready.fetch::<F>(step, unit.step_base, layout.step_position, &unit, &tile, blueprint);
        }
        if blueprint.accumulate {
            written.fetch::<O>(&*y, out_base, layout.u_position, &unit, &tile, blueprint);
        }
        tile.look_ahead(layout, group, part.first + tile_steps, blueprint);
        sync_cube();
        for s in 0..part.steps {
            let u_value = us.get(&unit, s, blueprint);
            let dt = unit.step(&tile, &ready, s, blueprint);
            let scaled = dt * u_value;
            let row = s * comptime!(blueprint.pitch());
            let b_row = row + comptime!(blueprint.b_column());
            let c_row = row + comptime!(blueprint.c_column());
            let mut sum = 0.0f32;
            if blueprint.skip {
                sum = skip_value * u_value;
            }
            #[unroll(unroll)]
            for n in 0..states {
                let next = decay_of(dt, unit.rates[n], blueprint.powers) * h[n] + scaled * tile.rows[b_row + n];
                h[n] = next;
                sum += next * tile.rows[c_row + n];
            }
            if blueprint.accumulate {
                sum += written.get(&unit, s, blueprint);
            }
            if unit.active {
                y[out_base + tile.pixel(s) * layout.u_position] = O::cast_from(sum);
            }
        }
    }
    if blueprint.last_state {
        if unit.active && chunk + 1 == layout.chunks {
            let last_base = (batch * layout.groups * layout.channels + unit.parameter) * states;
            #[unroll(unroll)]
            for n in 0..states {
                last_state[last_base + n] = h[n];
            }
        }
    }
}
