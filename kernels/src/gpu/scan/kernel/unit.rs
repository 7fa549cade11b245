use super::{
    layout::{ScanLayout, state_base},
    step::{UNROLLED, dot, load_row, rate_of, step_size},
    tile::Tile,
};
use crate::gpu::scan::blueprint::Blueprint;
use cubecl::prelude::*;

/// What a unit that owns a channel of one chunk, with all its states, knows from the start.
#[derive(CubeType)]
pub(crate) struct Unit {
    /// The unit of the cube.
    pub(crate) index: usize,
    /// Whether the channel is its own: units behind the last channel go along with that one and write nothing.
    pub(crate) active: bool,
    /// Row of the parameters.
    pub(crate) parameter: usize,
    /// Rates of decay, see [`rate_of`].
    pub(crate) rates: Array<f32>, // [N]
    weights: Array<f32>, // [R]
    bias: f32,
    /// Where the channel's values of `u` begin.
    pub(crate) u_base: usize,
    /// Where the channel's steps, or the rows of low-rank steps, begin.
    pub(crate) step_base: usize,
    /// Where rows of `b` and `c` begin.
    pub(crate) row_base: usize,
    /// Where states at the chunk's start or end lie, D apart.
    pub(crate) state_base: usize,
}

#[cube]
impl Unit {
    pub(crate) fn new(
        layout: &ScanLayout,
        place: (usize, usize, usize, usize), // batch, group, chunk, channel tile
        a: &[f32],                           // [G * D, N]
        weight: &[f32],                      // [G * D, R]
        bias: &[f32],                        // [G * D]
        #[comptime] blueprint: Blueprint,
    ) -> Unit {
        let (batch, group, chunk, channel_tile) = place;
        let states = comptime!(blueprint.states);
        let index = UNIT_POS_X as usize;
        let wanted = channel_tile * comptime!(blueprint.cut.lanes) + index;
        let active = wanted < layout.channels;
        let channel = select::<usize>(active, wanted, layout.channels - 1);
        let parameter = group * layout.channels + channel;
        let mut rates = Array::<f32>::new(states);
        #[unroll(blueprint.unroll())]
        for n in 0..states {
            rates[n] = rate_of(a[parameter * states + n], blueprint.powers);
        }
        let mut bias_value = 0.0f32;
        if blueprint.bias {
            bias_value = bias[parameter];
        }
        Unit {
            index,
            active,
            parameter,
            rates,
            weights: load_row(weight, parameter, blueprint.rank),
            bias: bias_value,
            u_base: batch * layout.u_batch + group * layout.u_group + channel * layout.u_channel,
            step_base: batch * layout.step_batch + group * layout.step_group + channel * layout.step_channel,
            row_base: batch * layout.row_batch + group * layout.row_group,
            state_base: state_base(layout, batch, group, chunk, channel, states),
        }
    }

    /// The step `dt` at step `s` of the tile, whose ready steps of this unit are `ready`.
    pub(crate) fn step(&self, tile: &Tile, ready: &Own, s: usize, #[comptime] blueprint: Blueprint) -> f32 {
        let mut x = self.bias;
        if comptime!(blueprint.rank == 0) {
            x += ready.get(self, s, blueprint);
        } else {
            let row = s * comptime!(blueprint.pitch());
            let unroll = comptime!(blueprint.rank <= UNROLLED);
            x += dot(self.weights.as_slice(), 0usize, 1usize, &tile.rows, row, blueprint.rank, unroll);
        }
        step_size(x, blueprint.softplus, blueprint.powers)
    }
}

/// One value a step of a tile of every unit, which only that unit reads: fetched ahead of the walk, all loads under way at once.
#[derive(CubeType)]
pub(crate) struct Own {
    values: Shared<[f32]>, // [T, lanes]
}

#[cube]
impl Own {
    /// Empty; takes no memory where it is not `wanted`.
    pub(crate) fn new(#[comptime] wanted: bool, #[comptime] blueprint: Blueprint) -> Own {
        let len = comptime!(if wanted { blueprint.cut.tile * blueprint.cut.lanes } else { 1 });
        Own { values: Shared::<[f32]>::new_slice(len) }
    }

    /// Fetches the values of the tile's steps, which lie at `base + pixel * stride`.
    pub(crate) fn fetch<F: Float>(
        &mut self,
        source: &[F],
        base: usize,
        stride: usize,
        unit: &Unit,
        tile: &Tile,
        #[comptime] blueprint: Blueprint,
    ) {
        let steps = comptime!(blueprint.cut.tile);
        let mut loaded = Array::<f32>::new(steps);
        #[unroll]
        for s in 0..steps {
            loaded[s] = f32::cast_from(source[base + tile.pixel(s) * stride]);
        }
        #[unroll]
        for s in 0..steps {
            self.values[s * comptime!(blueprint.cut.lanes) + unit.index] = loaded[s];
        }
    }

    /// The value of this unit at step `s`.
    pub(crate) fn get(&self, unit: &Unit, s: usize, #[comptime] blueprint: Blueprint) -> f32 {
        self.values[s * comptime!(blueprint.cut.lanes) + unit.index]
    }
}
