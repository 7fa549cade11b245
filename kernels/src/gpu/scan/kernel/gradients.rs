use super::{
    items::Items,
    layout::{ScanLayout, chunk_end, in_row, place, state_base},
    step::{decay_of, rate_of, sum_of},
    tile::{Tile, span},
};
use crate::gpu::scan::blueprint::{Blueprint, GradientBlueprint};
use cubecl::prelude::*;

/// Walks every chunk backwards from the gradient of its last state and writes all gradients.
///
/// A cube owns some channels of one chunk, its lanes; a unit owns some states of one of them, so that the states and decays of
/// some steps, a block, stay in its registers. The chunk is first walked forwards, which leaves the state before each tile; then,
/// last tile first, a tile is walked for the state before each of its blocks, and, last block first, a block's states are
/// recomputed and its steps are walked backwards.
///
/// What belongs to a step and channel alone (the step's size and its gradient, the gradient of `u`) is shared out among the units
/// too, see [`Items`], and goes through shared memory, as do the sums over states that it needs.
///
/// Gradients of `b` and `c` are sums over channels: for some steps at a time each unit puts its terms in shared memory, and each sum
/// is added up by one unit, lane after lane. Units beyond the last channel go along with a gradient of zero, so that every unit
/// meets every barrier.
///
/// Gradients of parameters are sums over steps and stay with a unit until its chunk is done.
#[cube(launch_unchecked)]
pub(crate) fn scan_gradients<F: Float, O: Float>(
    u: &[F],                // [B, G * D, L]
    step: &[F],             // [B, G * D, L] or rows of R
    b: &[F],                // [B, G, N, L]
    c: &[F],                // [B, G, N, L]
    dy: &[F],               // [B, G * D, L]
    a: &[f32],              // [G * D, N]
    weight: &[f32],         // [G * D, R]
    bias: &[f32],           // [G * D]
    skip: &[f32],           // [G * D]
    starts: &[f32],         // [B, G, C, N, D]
    carries: &[f32],        // [B, G, C, N, D]
    du: &mut [O],           // [B, G * D, L], or [P, B, L, D] of a map
    dstep: &mut [F],        // [B, G * D, L]
    rows: &mut [f32],       // [channel tiles, gradients of b, c and the low-rank step]
    parameters: &mut [f32], // [B, C, N + 2 + R, G * D]: a, skip, bias, weight
    layout: &ScanLayout,
    #[comptime] blueprint: Blueprint,
    #[comptime] gradient: GradientBlueprint,
    #[define(F, O)] _elements: [ElemType; 2],
) {
    if CUBE_POS >= layout.cubes {
        terminate!();
    }
    let own = comptime!(blueprint.cut.states);
    let rank = comptime!(blueprint.rank);
    let lanes = comptime!(blueprint.cut.lanes);
    let units = comptime!(blueprint.cut.units());
    let groups = comptime!(blueprint.cut.groups);
    let tile_steps = comptime!(blueprint.cut.tile);
    let kept = comptime!(blueprint.cut.kept);
    let blocks = comptime!(blueprint.blocks());
    let pitch = comptime!(blueprint.pitch());
    let unroll = comptime!(blueprint.unroll());
    let powers = comptime!(blueprint.powers);

    let (batch, part, chunk, channel_tile) = place(layout);
    let group = part * layout.slots + layout.slot;
    let unit = UNIT_POS_X as usize;
    let (lane, sub) = (unit % lanes, unit / lanes);
    let first_state = sub * own;
    let wanted = channel_tile * lanes + lane;
    let active = wanted < layout.channels;
    let channel = select::<usize>(active, wanted, layout.channels - 1);
    let parameter = group * layout.channels + channel;
    let row_base = batch * layout.row_batch + group * layout.row_group;
    let out_base = batch * layout.out_batch + part * layout.out_part + channel * layout.u_channel;
    let start = chunk * layout.chunk;
    let end = chunk_end(layout, chunk);

    let mut tile = Tile::new(layout, group, start, blueprint);
    if comptime!(!blueprint.even()) {
        tile.clear(blueprint);
    }
    let mut items = Items::new(layout, batch, group, channel, lane, sub, active, bias, skip, blueprint);
    items.fetch_weights(weight, layout, group, channel_tile, blueprint);
    // Of every step and unit, what its states add to the sums over all states of a channel: `d b`, and `d decay before a`.
    let mut state_sums = Shared::<[f32]>::new_slice(comptime!(2 * blueprint.cut.tile * blueprint.cut.units()));
    let mut terms =
        Shared::<[f32]>::new_slice(comptime!(if gradient.rows { GradientBlueprint::terms(&blueprint) } else { 1 }));

    let state_at = state_base(layout, batch, group, chunk, channel, blueprint.states);
    let mut rates = Array::<f32>::new(own);
    let mut h = Array::<f32>::new(own);
    let mut carry = Array::<f32>::new(own);
    let mut da = Array::<f32>::new(own);
    #[unroll(unroll)]
    for i in 0..own {
        // States that are made up to give every unit as many stay zero.
        let wanted = first_state + i;
        let is = comptime!(blueprint.even()) || wanted < comptime!(blueprint.states);
        let n = select::<usize>(is, wanted, comptime!(blueprint.states - 1).runtime());
        let at = state_at + n * layout.channels;
        rates[i] = rate_of(a[parameter * comptime!(blueprint.states) + n], powers);
        h[i] = select::<f32>(is, starts[at], f32::new(0.0f32));
        carry[i] = select::<f32>(is && active, carries[at], f32::new(0.0f32));
        da[i] = 0.0f32;
    }

    let tiles = comptime!(gradient.tiles);
    let mut tile_starts = Array::<f32>::new(comptime!(gradient.tiles * blueprint.cut.states));
    for index in 0..comptime!(gradient.tiles - 1) {
        #[unroll(unroll)]
        for i in 0..own {
            tile_starts[index * own + i] = h[i];
        }
        let part = span(start, end, index, tile_steps);
        tile.turn(blueprint);
        items.load::<F>(u, dy, layout, &tile, false, blueprint);
        tile.fetch_step::<F>(step, layout, items.step_base, part.steps, blueprint);
        tile.fetch_b::<F>(b, layout, row_base, part.steps, blueprint);
        tile.look_ahead(layout, group, part.first + tile_steps, blueprint);
        sync_cube();
        items.prepare::<F>(step, layout, &tile, &part, false, blueprint);
        sync_cube();
        for s in 0..tile_steps {
            let (dt, scaled) = (items.values[s * lanes + lane], items.values[(tile_steps + s) * lanes + lane]);
            #[unroll(unroll)]
            for i in 0..own {
                let injected = scaled * tile.rows[s * pitch + comptime!(blueprint.b_column()) + first_state + i];
                h[i] = decay_of(dt, rates[i], powers) * h[i] + injected;
            }
        }
    }
    #[unroll(unroll)]
    for i in 0..own {
        tile_starts[comptime!((gradient.tiles - 1) * blueprint.cut.states) + i] = h[i];
    }

    // The state before each of some steps and its decay, and the state after the step that is looked at.
    let mut befores = Array::<f32>::new(comptime!(blueprint.cut.kept * blueprint.cut.states));
    let mut decays = Array::<f32>::new(comptime!(blueprint.cut.kept * blueprint.cut.states));
    let mut block_starts = Array::<f32>::new(comptime!(blueprint.blocks() * blueprint.cut.states));
    for walked in 0..tiles {
        let index = tiles - 1 - walked;
        let part = span(start, end, index, tile_steps);
        tile.turn(blueprint);
        items.load::<F>(u, dy, layout, &tile, true, blueprint);
        tile.fetch_step::<F>(step, layout, items.step_base, part.steps, blueprint);
        tile.fetch_b::<F>(b, layout, row_base, part.steps, blueprint);
        tile.fetch_c::<F>(c, layout, row_base, part.steps, blueprint);
        // Before the first tile comes none, whose pixels nobody asks for.
        tile.look_ahead(
            layout,
            group,
            select::<usize>(index > 0, start + index * tile_steps - tile_steps, start),
            blueprint,
        );
        sync_cube();
        items.prepare::<F>(step, layout, &tile, &part, true, blueprint);
        sync_cube();
        #[unroll(unroll)]
        for i in 0..own {
            h[i] = tile_starts[index * own + i];
        }
        for block in 0..blocks - 1 {
            #[unroll(unroll)]
            for i in 0..own {
                block_starts[block * own + i] = h[i];
            }
            #[unroll]
            for k in 0..kept {
                let s = block * kept + k;
                let (dt, scaled) = (items.values[s * lanes + lane], items.values[(tile_steps + s) * lanes + lane]);
                #[unroll(unroll)]
                for i in 0..own {
                    let injected = scaled * tile.rows[s * pitch + comptime!(blueprint.b_column()) + first_state + i];
                    h[i] = decay_of(dt, rates[i], powers) * h[i] + injected;
                }
            }
        }
        #[unroll(unroll)]
        for i in 0..own {
            block_starts[(blocks - 1) * own + i] = h[i];
        }
        for back in 0..blocks {
            // The remainder tells the compiler that no index overflows, so that it loads fours at once.
            let block = (blocks - 1 - back) % blocks;
            #[unroll(unroll)]
            for i in 0..own {
                h[i] = block_starts[block * own + i];
            }
            #[unroll]
            for k in 0..kept {
                let s = block * kept + k;
                let (dt, scaled) = (items.values[s * lanes + lane], items.values[(tile_steps + s) * lanes + lane]);
                #[unroll(unroll)]
                for i in 0..own {
                    let decay = decay_of(dt, rates[i], powers);
                    let injected = scaled * tile.rows[s * pitch + comptime!(blueprint.b_column()) + first_state + i];
                    befores[k * own + i] = h[i];
                    decays[k * own + i] = decay;
                    h[i] = decay * h[i] + injected;
                }
            }
            #[unroll]
            for back in 0..kept {
                let k = kept - 1 - back;
                let s = block * kept + k;
                let (dt, scaled) = (items.values[s * lanes + lane], items.values[(tile_steps + s) * lanes + lane]);
                let dy_value = items.values[(2 * tile_steps + s) * lanes + lane];
                // Loaded together: stores of terms would part the loads.
                let mut b_values = Array::<f32>::new(own);
                let mut c_values = Array::<f32>::new(own);
                #[unroll(unroll)]
                for i in 0..own {
                    b_values[i] = tile.rows[s * pitch + comptime!(blueprint.b_column()) + first_state + i];
                    c_values[i] = tile.rows[s * pitch + comptime!(blueprint.c_column()) + first_state + i];
                }
                let mut d_b = 0.0f32;
                let mut decayed_a = 0.0f32;
                #[unroll(unroll)]
                for i in 0..own {
                    let before = befores[k * own + i];
                    let d = carry[i] + dy_value * c_values[i];
                    let next = d * decays[k * own + i];
                    let decayed = next * before;
                    d_b += d * b_values[i];
                    decayed_a += decayed * rates[i];
                    da[i] = da[i] + decayed * dt;
                    carry[i] = next;
                    if gradient.rows {
                        let padded = comptime!(blueprint.padded_states());
                        let term = k * comptime!(2 * blueprint.padded_states()) + first_state + i;
                        let term_pitch = comptime!(GradientBlueprint::term_pitch(&blueprint));
                        terms[term * term_pitch + lane] = d * scaled;
                        terms[(term + padded) * term_pitch + lane] = dy_value * h[i];
                    }
                    h[i] = before;
                }
                state_sums[s * units + unit] = d_b;
                state_sums[(tile_steps + s) * units + unit] = decayed_a;
            }
            if gradient.rows {
                sync_cube();
                let row_out = channel_tile * layout.rows + row_base;
                sum_terms(&terms, rows, row_out, layout, &tile, block * kept, part.steps, blueprint);
                if comptime!(blueprint.blocks() > 1) {
                    sync_cube();
                }
            }
        }
        if comptime!(!gradient.rows) {
            sync_cube();
        }
        items.finish::<F, O>(&state_sums, du, dstep, out_base, layout, &tile, &part, blueprint, gradient);
        if comptime!(blueprint.rank > 0) {
            sync_cube();
            if gradient.rows {
                items.sum_low_rank(rows, channel_tile * layout.rows + row_base, layout, &tile, part.steps, blueprint);
            }
            if gradient.parameters {
                items.add_weights(&tile, blueprint);
            }
        }
    }

    if gradient.parameters {
        let states = comptime!(blueprint.states);
        let field = layout.groups * layout.channels;
        let base =
            (batch * layout.chunks + chunk) * comptime!(blueprint.states + 2 + blueprint.rank) * field + parameter;
        sync_cube();
        state_sums[unit] = items.dskip;
        state_sums[units + unit] = items.dbias;
        sync_cube();
        if active {
            #[unroll(unroll)]
            for i in 0..own {
                if comptime!(blueprint.even()) || first_state + i < states {
                    parameters[base + (first_state + i) * field] = da[i];
                }
            }
            if sub == 0 {
                let mut dskip = 0.0f32;
                let mut dbias = 0.0f32;
                for other in 0..groups {
                    dskip += state_sums[other * lanes + lane];
                    dbias += state_sums[units + other * lanes + lane];
                }
                parameters[base + states * field] = dskip;
                parameters[base + (states + 1) * field] = dbias;
            }
            #[unroll]
            for k in 0..comptime!(blueprint.rank.div_ceil(blueprint.cut.groups)) {
                let r = sub + k * groups;
                if r < rank {
                    parameters[base + (states + 2 + r) * field] = items.dweight[k];
                }
            }
        }
    }
}

/// Adds up the terms of the gradients of `b` and `c` of some steps, from `first` on, over the lanes of the cube.
#[cube]
fn sum_terms(
    terms: &Shared<[f32]>,
    rows: &mut [f32],
    row_out: usize,
    layout: &ScanLayout,
    tile: &Tile,
    first: usize,
    steps: usize,
    #[comptime] blueprint: Blueprint,
) {
    let kept = comptime!(blueprint.cut.kept);
    let states = comptime!(blueprint.states);
    let mut sum = UNIT_POS_X as usize;
    while sum < comptime!(2 * states * blueprint.cut.kept) {
        // Neighbours in memory are written by neighbouring units: the states of a map's pixel, the positions of the plain form.
        let step = if comptime!(blueprint.map) { sum / (2 * states) } else { sum % kept };
        let kind = if comptime!(blueprint.map) { sum % (2 * states) } else { sum / kept };
        let is_c = kind >= states;
        let n = select::<usize>(is_c, kind - states, kind);
        let padded = comptime!(blueprint.padded_states()).runtime();
        let term = step * comptime!(2 * blueprint.padded_states()) + n + select::<usize>(is_c, padded, 0usize);
        let base = term * comptime!(GradientBlueprint::term_pitch(&blueprint));
        let total = sum_of(terms, base, blueprint.cut.lanes);
        if first + step < steps {
            let offset = select::<usize>(is_c, layout.c_gradient, layout.b_gradient);
            let pixel = tile.pixel(first + step);
            rows[row_out + pixel * layout.row_position + offset + in_row(layout, n, blueprint.map)] = total;
        }
        sum += comptime!(blueprint.cut.units());
    }
}
