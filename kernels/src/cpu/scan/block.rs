//! Blocks of neighbouring channels: their sizes, parameters and operands in lanes.

use super::{TILE, step::expand, tile::Tile};
use crate::cpu::{
    lanes::{EXP2_SAFE, softplus, softplus_and_slope},
    memory::{Aligned, Lines},
    shared::SharedSlice,
};
use pulp::{Simd, bytemuck};
use std::ops::Range;

/// Sizes that both forms share.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Channels of one group.
    pub(super) channels: usize,
    pub(super) length: usize,
    pub(super) states: usize,
    /// 0 where the step comes in full.
    pub(super) rank: usize,
    pub(super) delta_softplus: bool,
}

impl Extent {
    pub(super) fn row(&self) -> usize {
        self.rank + 2 * self.states
    }

    pub(super) fn blocks(&self, lanes: usize) -> usize {
        self.channels.div_ceil(lanes)
    }

    pub(super) fn tiles(&self) -> usize {
        self.length.div_ceil(TILE)
    }

    /// First step of a tile and how many it has.
    pub(super) fn tile(&self, index: usize) -> (usize, usize) {
        let start = index * TILE;
        (start, TILE.min(self.length - start))
    }
}

/// Neighbouring channels of one group, one a lane.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) batch: usize,
    pub(super) group: usize,
    /// First channel inside the group.
    pub(super) channel: usize,
    /// Lanes in use; the others hold zeros.
    pub(super) channels: usize,
    /// Lanes of a register.
    pub(super) lanes: usize,
}

impl Block {
    pub(super) fn new(extent: &Extent, lanes: usize, batch: usize, group: usize, index: usize) -> Self {
        let channel = index * lanes;
        Self { batch, group, channel, channels: lanes.min(extent.channels - channel), lanes }
    }

    /// Channels among those of all groups.
    pub(super) fn channels(&self, extent: &Extent) -> Range<usize> {
        let first = self.group * extent.channels + self.channel;
        first..first + self.channels
    }
}

/// Where a form keeps its operands.
pub(super) trait Operands: Sync {
    /// Whether the step comes in full, laid out as `u`, rather than as a product of low rank.
    const FULL_STEP: bool;

    fn extent(&self) -> Extent;
    fn u(&self) -> &[f32];
    /// The step in full; empty where it comes in low rank.
    fn delta(&self) -> &[f32];
    /// `[groups * channels, states]`.
    fn a(&self) -> &[f32];
    fn skip(&self) -> Option<&[f32]>;
    fn delta_bias(&self) -> Option<&[f32]>;
    /// `[groups * channels, rank]`.
    fn dt_weight(&self) -> &[f32];
    /// Finds the rows `[dt_low | b | c]` of the steps from `start` on; `buffer` has room to put them together.
    fn load_rows<'a>(&'a self, block: Block, start: usize, buffer: &'a mut [f32], rows: &mut [&'a [f32]]);
    /// Asks for the rows of some later steps, and for what slices laid out as `u` hold there for `blocks`, where it pays.
    fn prefetch(&self, blocks: &[Block], steps: Range<usize>, slices: &[*const f32]);
    /// Reads the steps from `start` on of a slice laid out as `u`.
    fn load<S: Simd>(&self, simd: S, from: &[f32], block: Block, start: usize, to: &mut [S::f32s]);
    /// Leaves the steps from `start` on in a slice laid out as `u`; where `add`, they are added to what is there.
    fn store<S: Simd>(&self, simd: S, block: Block, start: usize, from: &[S::f32s], to: SharedSlice<'_>, add: bool);
}

/// Parameters of a block in lanes.
pub(super) struct Parameters<S: Simd> {
    pub(super) a_log2: Lines<S::f32s>,
    pub(super) skip: S::f32s,
    pub(super) bias: S::f32s,
    /// `[rank]`.
    pub(super) weight: Lines<S::f32s>,
    /// The longest step that keeps every decay of the block inside the unclamped exponential.
    safe_step: f32,
}

impl<S: Simd> Parameters<S> {
    #[inline(always)]
    pub(super) fn load(simd: S, operands: &impl Operands, block: Block) -> Self {
        let extent = operands.extent();
        let rows = block.channels(&extent);
        let mut a_log2 = columns(simd, operands.a(), rows.clone(), extent.states);
        let mut largest = simd.splat_f32s(0.0);
        for a in a_log2.iter_mut() {
            *a = simd.mul_f32s(*a, simd.splat_f32s(std::f32::consts::LOG2_E));
            largest = simd.max_f32s(largest, simd.abs_f32s(*a));
        }
        Self {
            a_log2,
            skip: columns(simd, operands.skip().unwrap_or(&[]), rows.clone(), 1)[0],
            bias: columns(simd, operands.delta_bias().unwrap_or(&[]), rows.clone(), 1)[0],
            weight: columns(simd, operands.dt_weight(), rows, extent.rank),
            safe_step: EXP2_SAFE / simd.reduce_max_f32s(largest),
        }
    }
}

/// The columns of some rows of `[rows, columns]` in lanes; zeros where there are no values.
#[inline(always)]
fn columns<S: Simd>(_: S, values: &[f32], rows: Range<usize>, columns: usize) -> Lines<S::f32s> {
    let mut out = Lines::zeros(columns);
    let lanes: &mut [f32] = bytemuck::cast_slice_mut(&mut out);
    if !values.is_empty() {
        for (lane, row) in rows.enumerate() {
            let row = &values[row * columns..][..columns];
            for (to, &value) in lanes[lane..].iter_mut().step_by(S::F32_LANES).zip(row) {
                *to = value;
            }
        }
    }
    out
}

/// Scratch of a walk: room for the rows of a tile, and its lanes.
pub(super) struct Buffers<S: Simd> {
    pub(super) rows: Vec<f32>,
    pub(super) lanes: TileLanes<S>,
}

impl<S: Simd> Buffers<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, extent: &Extent) -> Self {
        Self { rows: vec![0.0; TILE * extent.row()], lanes: TileLanes::new(simd) }
    }
}

/// Operands of the current tile in lanes, one entry a step.
pub(super) struct TileLanes<S: Simd> {
    u: Aligned<[S::f32s; TILE]>,
    /// Step before softplus, then the derivative of the softplus.
    x: Aligned<[S::f32s; TILE]>,
    dt: Aligned<[S::f32s; TILE]>,
    input: Aligned<[S::f32s; TILE]>,
}

impl<S: Simd> TileLanes<S> {
    #[inline(always)]
    pub(super) fn new(simd: S) -> Self {
        let zero = Aligned([simd.splat_f32s(0.0); TILE]);
        Self { u: zero, x: zero, dt: zero, input: zero }
    }

    /// Loads `u`, expands the step and applies softplus; `SLOPE` asks for its derivative too.
    #[inline(always)]
    pub(super) fn load<'a, const SLOPE: bool>(
        &'a mut self,
        simd: S,
        operands: &impl Operands,
        block: Block,
        parameters: &'a Parameters<S>,
        start: usize,
        rows: &'a [&'a [f32]],
    ) -> Tile<'a, S> {
        let (extent, steps) = (operands.extent(), rows.len());
        let (u, x) = (&mut self.u.0[..steps], &mut self.x.0[..steps]);
        let (dt, input) = (&mut self.dt.0[..steps], &mut self.input.0[..steps]);
        operands.load(simd, operands.u(), block, start, u);
        load_step(simd, operands, block, parameters, start, rows, x);
        let mut longest = simd.splat_f32s(0.0);
        for step in 0..steps {
            let before = x[step];
            if !extent.delta_softplus {
                (dt[step], x[step]) = (before, simd.splat_f32s(1.0));
            } else if SLOPE {
                (dt[step], x[step]) = softplus_and_slope(simd, before);
            } else {
                dt[step] = softplus(simd, before);
            }
            input[step] = simd.mul_f32s(dt[step], u[step]);
            longest = simd.max_f32s(longest, simd.abs_f32s(dt[step]));
        }
        // a NaN on either side must not count as safe
        let safe = simd.reduce_max_f32s(longest) <= parameters.safe_step;
        let a_log2 = &parameters.a_log2[..extent.states];
        Tile { rank: extent.rank, states: extent.states, rows, u, slope: x, dt, input, a_log2, clamp: !safe }
    }
}

/// The step before softplus.
#[inline(always)]
fn load_step<S: Simd, O: Operands>(
    simd: S,
    operands: &O,
    block: Block,
    parameters: &Parameters<S>,
    start: usize,
    rows: &[&[f32]],
    x: &mut [S::f32s],
) {
    if O::FULL_STEP {
        operands.load(simd, operands.delta(), block, start, x);
        for x in x.iter_mut() {
            *x = simd.add_f32s(*x, parameters.bias);
        }
    } else {
        x.fill(parameters.bias);
        expand(simd, &parameters.weight, rows, x);
    }
}
