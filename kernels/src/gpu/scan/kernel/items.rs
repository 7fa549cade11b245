use super::{
    layout::ScanLayout,
    step::{dot, rate_unit, step_size, step_slope},
    tile::{Span, Tile},
};
use crate::gpu::scan::blueprint::{Blueprint, GradientBlueprint};
use cubecl::prelude::*;

/// Longest low-rank step of which all products of an item are under way at once.
const UNROLLED_RANK: usize = 16;

/// What belongs to a step of the tile and a channel of the cube, whichever the state. Unit (lane, sub) has the steps `sub`, `sub +
/// groups`, ... of its lane.
#[derive(CubeType)]
pub(crate) struct Items {
    lane: usize,
    sub: usize,
    active: bool,
    bias: f32,
    skip: f32,
    u_base: usize,
    pub(crate) step_base: usize,
    /// Of every step and lane: the step's size, that times `u`, and `dy`; when the states are done, the gradient of the step before
    /// softplus in place of its size.
    pub(crate) values: Shared<[f32]>, // [3, T, lanes]
    /// The weights of every lane.
    weights: Shared<[f32]>, // [lanes, R or one more]
    // Of the unit's own items.
    u: Array<f32>,
    dy: Array<f32>,
    dt: Array<f32>,
    slope: Array<f32>,
    // Sums over the unit's own items.
    pub(crate) dskip: f32,
    pub(crate) dbias: f32,
    /// Gradients of the weights `sub`, `sub + groups`, ... of the lane.
    pub(crate) dweight: Array<f32>,
}

#[cube]
impl Items {
    pub(crate) fn new(
        layout: &ScanLayout,
        batch: usize,
        group: usize,
        channel: usize,
        lane: usize,
        sub: usize,
        active: bool,
        bias: &[f32],
        skip: &[f32],
        #[comptime] blueprint: Blueprint,
    ) -> Items {
        let parameter = group * layout.channels + channel;
        let mut bias_value = 0.0f32;
        if blueprint.bias {
            bias_value = bias[parameter];
        }
        let mut skip_value = 0.0f32;
        if blueprint.skip {
            skip_value = skip[parameter];
        }
        let most = comptime!(blueprint.cut.items());
        let own_weights = comptime!(blueprint.rank.div_ceil(blueprint.cut.groups).max(1));
        let mut dweight = Array::<f32>::new(own_weights);
        #[unroll]
        for k in 0..own_weights {
            dweight[k] = 0.0f32;
        }
        Items {
            lane,
            sub,
            active,
            bias: bias_value,
            skip: skip_value,
            u_base: batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel,
            step_base: batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel,
            values: Shared::<[f32]>::new_slice(comptime!(3 * blueprint.cut.tile * blueprint.cut.lanes)),
            weights: Shared::<[f32]>::new_slice(comptime!(GradientBlueprint::weights(&blueprint).max(1))),
            u: Array::<f32>::new(most),
            dy: Array::<f32>::new(most),
            dt: Array::<f32>::new(most),
            slope: Array::<f32>::new(most),
            dskip: f32::new(0.0f32),
            dbias: f32::new(0.0f32),
            dweight,
        }
    }

    pub(crate) fn fetch_weights(
        &mut self,
        weight: &[f32],
        layout: &ScanLayout,
        group: usize,
        channel_tile: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let rank = comptime!(blueprint.rank);
        if comptime!(blueprint.rank > 0) {
            let lanes = comptime!(blueprint.cut.lanes);
            let mut index = UNIT_POS_X as usize;
            while index < comptime!(blueprint.rank * blueprint.cut.lanes) {
                let (lane, r) = (index / rank, index % rank);
                let wanted = channel_tile * lanes + lane;
                let channel = select::<usize>(wanted < layout.channels, wanted, layout.channels - 1);
                self.weights[lane * comptime!(GradientBlueprint::weight_pitch(&blueprint)) + r] =
                    weight[(group * layout.channels + channel) * rank + r];
                index += comptime!(blueprint.cut.units());
            }
        }
    }

    /// The step before softplus at step `s` of the tile.
    fn raw_step<F: Float>(
        &self,
        step: &[F],
        layout: &ScanLayout,
        tile: &Tile,
        s: usize,
        #[comptime] blueprint: Blueprint,
    ) -> f32 {
        let mut x = self.bias;
        if comptime!(blueprint.rank == 0) {
            x += f32::cast_from(step[self.step_base + tile.pixel(s) * layout.step_position]);
        } else {
            let first = self.lane * comptime!(GradientBlueprint::weight_pitch(&blueprint));
            let row = s * comptime!(blueprint.pitch());
            let unroll = comptime!(blueprint.rank <= UNROLLED_RANK);
            x += dot(&self.weights, first, 1usize, &tile.rows, row, blueprint.rank, unroll);
        }
        x
    }

    /// Loads `u` and, for the walk `back`, `dy` at the unit's own items, before the rows of the tile are waited for.
    pub(crate) fn load<F: Float>(
        &mut self,
        u: &[F],
        dy: &[F],
        layout: &ScanLayout,
        tile: &Tile,
        #[comptime] back: bool,
        #[comptime] blueprint: Blueprint,
    ) {
        #[unroll]
        for k in 0..comptime!(blueprint.cut.items()) {
            let s = self.sub + k * comptime!(blueprint.cut.groups);
            if s < comptime!(blueprint.cut.tile) {
                let at = self.u_base + tile.pixel(s) * layout.u_position;
                self.u[k] = f32::cast_from(u[at]);
                if back {
                    self.dy[k] = f32::cast_from(dy[at]);
                }
            }
        }
    }

    /// Steps and what they inject, for a walk forwards, and what the walk `back` needs beside them. Steps past the end of the chunk
    /// change nothing: they are zero.
    pub(crate) fn prepare<F: Float>(
        &mut self,
        step: &[F],
        layout: &ScanLayout,
        tile: &Tile,
        part: &Span,
        #[comptime] back: bool,
        #[comptime] blueprint: Blueprint,
    ) {
        let steps = comptime!(blueprint.cut.tile);
        let lanes = comptime!(blueprint.cut.lanes);
        #[unroll]
        for k in 0..comptime!(blueprint.cut.items()) {
            let s = self.sub + k * comptime!(blueprint.cut.groups);
            if s < steps {
                let x = self.raw_step::<F>(step, layout, tile, s, blueprint);
                let is = s < part.steps;
                let u_value = self.u[k];
                let dt = step_size(x, blueprint.softplus, blueprint.powers);
                self.values[s * lanes + self.lane] = select::<f32>(is, dt, f32::new(0.0f32));
                self.values[(steps + s) * lanes + self.lane] = select::<f32>(is, dt * u_value, f32::new(0.0f32));
                if back {
                    let slope = step_slope(x, blueprint.softplus, blueprint.powers);
                    let dy_value = select::<f32>(is && self.active, self.dy[k], f32::new(0.0f32));
                    self.u[k] = select::<f32>(is, u_value, f32::new(0.0f32));
                    self.dy[k] = dy_value;
                    self.dt[k] = dt;
                    self.slope[k] = select::<f32>(is, slope, f32::new(0.0f32));
                    self.values[(2 * steps + s) * lanes + self.lane] = dy_value;
                }
            }
        }
    }

    /// The gradients of `u` and of the step, once the states of all units have added their share.
    pub(crate) fn finish<F: Float, O: Float>(
        &mut self,
        state_sums: &Shared<[f32]>,
        du: &mut [O],
        dstep: &mut [F],
        out_base: usize,
        layout: &ScanLayout,
        tile: &Tile,
        part: &Span,
        #[comptime] blueprint: Blueprint,
        #[comptime] gradient: GradientBlueprint,
    ) {
        let steps = comptime!(blueprint.cut.tile);
        let lanes = comptime!(blueprint.cut.lanes);
        let units = comptime!(blueprint.cut.units());
        #[unroll]
        for k in 0..comptime!(blueprint.cut.items()) {
            let s = self.sub + k * comptime!(blueprint.cut.groups);
            if s < steps {
                let mut d_b = 0.0f32;
                let mut decayed_a = 0.0f32;
                #[unroll]
                for other in 0..comptime!(blueprint.cut.groups) {
                    d_b += state_sums[s * units + other * lanes + self.lane];
                    decayed_a += state_sums[(steps + s) * units + other * lanes + self.lane];
                }
                let (u_value, dy_value) = (self.u[k], self.dy[k]);
                let dx = (u_value * d_b + decayed_a * rate_unit(blueprint.powers)) * self.slope[k];
                self.dskip += dy_value * u_value;
                self.dbias += dx;
                self.values[s * lanes + self.lane] = dx;
                if self.active && s < part.steps {
                    let pixel = tile.pixel(s);
                    if gradient.input {
                        let out = out_base + pixel * layout.u_position;
                        let mut sum = self.dt[k] * d_b;
                        if blueprint.skip {
                            sum += self.skip * dy_value;
                        }
                        if blueprint.accumulate {
                            sum += f32::cast_from(du[out]);
                        }
                        du[out] = O::cast_from(sum);
                    }
                    if gradient.step {
                        dstep[self.step_base + pixel * layout.step_position] = F::cast_from(dx);
                    }
                }
            }
        }
    }

    /// Adds up the gradients of the tile's low-rank steps over the lanes of the cube.
    pub(crate) fn sum_low_rank(
        &self,
        rows: &mut [f32],
        row_out: usize,
        layout: &ScanLayout,
        tile: &Tile,
        steps: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let rank = comptime!(blueprint.rank);
        let lanes = comptime!(blueprint.cut.lanes);
        let mut index = UNIT_POS_X as usize;
        while index < steps * rank {
            let (s, r) = (index / rank, index % rank);
            let pitch = comptime!(GradientBlueprint::weight_pitch(&blueprint)).runtime();
            // The low-rank step lies where its row begins.
            rows[row_out + tile.pixel(s) * layout.row_position + r] =
                dot(&self.weights, r, pitch, &self.values, s * lanes, lanes, true);
            index += comptime!(blueprint.cut.units());
        }
    }

    /// Adds the tile's steps to the gradients of the weights.
    pub(crate) fn add_weights(&mut self, tile: &Tile, #[comptime] blueprint: Blueprint) {
        let rank = comptime!(blueprint.rank);
        #[unroll]
        for k in 0..comptime!(blueprint.rank.div_ceil(blueprint.cut.groups)) {
            let r = self.sub + k * comptime!(blueprint.cut.groups);
            if r < rank {
                #[unroll]
                for s in 0..comptime!(blueprint.cut.tile) {
                    let dx = self.values[s * comptime!(blueprint.cut.lanes) + self.lane];
                    self.dweight[k] = self.dweight[k] + dx * tile.rows[s * comptime!(blueprint.pitch()) + r];
                }
            }
        }
    }
}
