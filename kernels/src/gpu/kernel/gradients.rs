use super::{
    layout::{ScanLayout, Walk, chunk_end, in_row, place, row_extent, state_base},
    step::{decay_of, load_row, rate_of, rate_unit, raw_step, step_size, step_slope},
};
use crate::gpu::blueprint::{Blueprint, GradientBlueprint};
use cubecl::prelude::*;

/// Walks every chunk backwards from the gradient of its last state and writes all gradients.
///
/// A cube owns the channels of one tile of one chunk, a unit one of them. The chunk is first walked forwards, which leaves
/// the state before each tile of steps; then, last tile first, a tile's states are recomputed into local memory and its
/// steps are walked backwards.
///
/// Gradients of `b`, `c` and the low-rank step are sums over channels: at every step each unit puts its `2 N + R` terms in
/// shared memory (`(2 N + R) * (units + 1)` floats, rows one longer than the cube so that neighbouring rows lie in different
/// banks) and each row is added up by one unit, channel after channel. Two barriers a step. Units beyond the last channel
/// compute along with a gradient of zero, so that every unit meets every barrier.
///
/// Gradients of parameters are sums over steps and stay with the unit until its chunk is done.
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
    let states = comptime!(blueprint.states);
    let rank = comptime!(blueprint.rank);
    let unroll = comptime!(blueprint.unroll());
    let unroll_rank = comptime!(blueprint.rank <= 32);
    let tile_steps = comptime!(gradient.tile);
    let tiles = comptime!(gradient.tiles);
    let units = comptime!(gradient.units);
    let row_terms = comptime!(2 * blueprint.states + blueprint.rank);
    let pitch = comptime!(gradient.units + 1);
    let mut terms = Shared::<[f32]>::new_slice(comptime!(if gradient.rows { row_terms * pitch } else { 1usize }));

    let (batch, part, chunk, channel_tile) = place(layout);
    let group = part * layout.slots + layout.slot;
    let unit = UNIT_POS_X as usize;
    let wanted = channel_tile * units + unit;
    let active = wanted < layout.channels;
    let channel = select::<usize>(active, wanted, layout.channels - 1);
    let mask = select::<f32>(active, f32::new(1.0f32), f32::new(0.0f32));

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
    let u_base = batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel;
    let step_base = batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel;
    let row_base = batch * layout.row_batch + group * layout.row_group;
    let out_base = batch * layout.out_batch + part * layout.out_part + channel * layout.u_channel;
    let state_at = state_base(layout, batch, group, chunk, channel, states);
    let start = chunk * layout.chunk;
    let end = chunk_end(layout, chunk);

    let mut decay_rate = Array::<f32>::new(states);
    let mut h = Array::<f32>::new(states);
    let mut carry = Array::<f32>::new(states);
    let mut da = Array::<f32>::new(states);
    #[unroll(unroll)]
    for n in 0..states {
        decay_rate[n] = rate_of(a[parameter * states + n], blueprint.powers);
        h[n] = starts[state_at + n * layout.channels];
        carry[n] = mask * carries[state_at + n * layout.channels];
        da[n] = 0.0f32;
    }
    let mut dweight = Array::<f32>::new(comptime!(if blueprint.rank == 0 { 1usize } else { blueprint.rank }));
    #[unroll(unroll_rank)]
    for r in 0..rank {
        dweight[r] = 0.0f32;
    }
    let mut dskip = 0.0f32;
    let mut dbias = 0.0f32;

    // The state before each tile.
    let mut tile_starts = Array::<f32>::new(comptime!(gradient.tiles * blueprint.states));
    let mut walk = Walk::at(layout, group, start);
    for tile in 0..tiles {
        #[unroll(unroll)]
        for n in 0..states {
            tile_starts[tile * states + n] = h[n];
        }
        let first = start + tile * tile_steps;
        let after_last = select::<usize>(first + tile_steps < end, first + tile_steps, end);
        for _ in select::<usize>(first < end, first, end)..after_last {
            let pixel = walk.pixel();
            walk.forth(blueprint.map);
            let x = raw_step::<F>(step, step_base + pixel * layout.step_position, &weights, bias_value, rank);
            let dt = step_size(x, blueprint.softplus);
            let scaled = dt * f32::cast_from(u[u_base + pixel * layout.u_position]);
            let b_pixel = row_base + pixel * layout.row_position + layout.b_offset;
            let b_row = &b[b_pixel..b_pixel + row_extent(layout, states, blueprint.map)];
            #[unroll(unroll)]
            for n in 0..states {
                let injected = scaled * f32::cast_from(b_row[in_row(layout, n, blueprint.map)]);
                h[n] = decay_of(dt, decay_rate[n], blueprint.powers) * h[n] + injected;
            }
        }
    }

    let mut befores = Array::<f32>::new(comptime!(gradient.tile * blueprint.states));
    for walked_tiles in 0..tiles {
        let tile = tiles - 1 - walked_tiles;
        let first = start + tile * tile_steps;
        let after_last = select::<usize>(first + tile_steps < end, first + tile_steps, end);
        let steps = select::<usize>(first < end, after_last - first, 0usize);
        #[unroll(unroll)]
        for n in 0..states {
            h[n] = tile_starts[tile * states + n];
        }
        // The state before each step of the tile.
        let mut walk = Walk::at(layout, group, first);
        for s in 0..steps {
            let pixel = walk.pixel();
            walk.forth(blueprint.map);
            let x = raw_step::<F>(step, step_base + pixel * layout.step_position, &weights, bias_value, rank);
            let dt = step_size(x, blueprint.softplus);
            let scaled = dt * f32::cast_from(u[u_base + pixel * layout.u_position]);
            let b_pixel = row_base + pixel * layout.row_position + layout.b_offset;
            let b_row = &b[b_pixel..b_pixel + row_extent(layout, states, blueprint.map)];
            #[unroll(unroll)]
            for n in 0..states {
                befores[s * states + n] = h[n];
                let injected = scaled * f32::cast_from(b_row[in_row(layout, n, blueprint.map)]);
                h[n] = decay_of(dt, decay_rate[n], blueprint.powers) * h[n] + injected;
            }
        }
        for walked in 0..steps {
            let s = steps - 1 - walked;
            walk.back(blueprint.map);
            let pixel = walk.pixel();
            let step_at = step_base + pixel * layout.step_position;
            let x = raw_step::<F>(step, step_at, &weights, bias_value, rank);
            let dt = step_size(x, blueprint.softplus);
            let u_at = u_base + pixel * layout.u_position;
            let u_value = f32::cast_from(u[u_at]);
            let dy_value = mask * f32::cast_from(dy[u_at]);
            let row = row_base + pixel * layout.row_position;
            let b_row = &b[row + layout.b_offset..row + layout.b_offset + row_extent(layout, states, blueprint.map)];
            let c_row = &c[row + layout.c_offset..row + layout.c_offset + row_extent(layout, states, blueprint.map)];
            let mut d_b = 0.0f32;
            let mut decayed_a = 0.0f32;
            #[unroll(unroll)]
            for n in 0..states {
                let b_value = f32::cast_from(b_row[in_row(layout, n, blueprint.map)]);
                let c_value = f32::cast_from(c_row[in_row(layout, n, blueprint.map)]);
                let before = befores[s * states + n];
                let decay = decay_of(dt, decay_rate[n], blueprint.powers);
                let d = carry[n] + dy_value * c_value;
                let next = d * decay;
                let decayed = next * before;
                d_b += d * b_value;
                decayed_a += decayed * decay_rate[n];
                da[n] = da[n] + decayed * dt;
                carry[n] = next;
                if gradient.rows {
                    terms[n * pitch + unit] = d * dt * u_value;
                    terms[(n + states) * pitch + unit] = dy_value * (decay * before + dt * u_value * b_value);
                }
            }
            let dx = (u_value * d_b + decayed_a * rate_unit(blueprint.powers)) * step_slope(x, blueprint.softplus);
            dskip += dy_value * u_value;
            dbias += dx;
            #[unroll(unroll_rank)]
            for r in 0..rank {
                dweight[r] = dweight[r] + dx * f32::cast_from(step[step_at + r]);
                if gradient.rows {
                    terms[(r + 2 * states) * pitch + unit] = dx * weights[r];
                }
            }
            if active {
                if gradient.input {
                    let out = out_base + pixel * layout.u_position;
                    let mut sum = dt * d_b;
                    if blueprint.skip {
                        sum += skip_value * dy_value;
                    }
                    if blueprint.accumulate {
                        sum += f32::cast_from(du[out]);
                    }
                    du[out] = O::cast_from(sum);
                }
                if gradient.step {
                    dstep[step_at] = F::cast_from(dx);
                }
            }
            if gradient.rows {
                sync_cube();
                let row_out = channel_tile * layout.rows + row;
                let mut term = unit;
                while term < row_terms {
                    let mut sum = 0.0f32;
                    for other in 0..units {
                        sum += terms[term * pitch + other];
                    }
                    let mut at = row_out + layout.b_gradient + in_row(layout, term, blueprint.map);
                    if term >= states {
                        at = row_out + layout.c_gradient + in_row(layout, term - states, blueprint.map);
                    }
                    if term >= 2 * states {
                        // The low-rank step lies where its row starts.
                        at = row_out + (term - 2 * states);
                    }
                    rows[at] = sum;
                    term += units;
                }
                sync_cube();
            }
        }
    }

    if gradient.parameters {
        if active {
            let fields = comptime!(blueprint.states + 2 + blueprint.rank);
            let field = layout.groups * layout.channels;
            let base = (batch * layout.chunks + chunk) * fields * field + parameter;
            #[unroll(unroll)]
            for n in 0..states {
                parameters[base + n * field] = da[n];
            }
            parameters[base + states * field] = dskip;
            parameters[base + (states + 1) * field] = dbias;
            #[unroll(unroll_rank)]
            for r in 0..rank {
                parameters[base + (r + states + 2) * field] = dweight[r];
            }
        }
    }
}
