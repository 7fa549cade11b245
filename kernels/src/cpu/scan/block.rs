//! Blocks of neighbouring channels: their sizes, parameters and operands in lanes.

use super::{
    TILE,
    tile::{Tile, TileShape},
};
use crate::cpu::lanes::softplus;
use pulp::{Arch, Simd, WithSimd, bytemuck};

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

    pub(super) fn tile(&self, index: usize) -> (usize, TileShape) {
        let start = index * TILE;
        let steps = TILE.min(self.length - start);
        (start, TileShape { steps, rank: self.rank, states: self.states })
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
}

impl Block {
    pub(super) fn new(extent: &Extent, lanes: usize, batch: usize, group: usize, index: usize) -> Self {
        let channel = index * lanes;
        Self { batch, group, channel, channels: lanes.min(extent.channels - channel) }
    }
}

/// Where a form keeps its operands. Lane arrays come flat: `[steps][lanes]`.
pub(super) trait Operands: Sync {
    fn extent(&self) -> Extent;
    /// Value of `a [groups * channels, states]`, `skip`, `delta_bias` and `dt_weight [groups * channels, rank]`.
    fn a(&self) -> &[f32];
    fn skip(&self) -> Option<&[f32]>;
    fn delta_bias(&self) -> Option<&[f32]>;
    fn dt_weight(&self) -> &[f32];
    /// Rows `[dt_low | b | c]` of the steps from `start` on.
    fn load_rows(&self, batch: usize, group: usize, start: usize, rows: &mut [f32]);
    /// `u` and the full-rank part of the step (zeros where there is none) of the steps from `start` on.
    fn load(&self, block: Block, start: usize, lanes: usize, u: &mut [f32], delta: &mut [f32]);
}

/// Where a form takes the output gradient from and leaves the gradients of `u` and `delta`.
pub(super) trait Sink: Sync {
    fn load_dy(&self, block: Block, start: usize, lanes: usize, dy: &mut [f32]);
    fn store(&self, block: Block, start: usize, lanes: usize, du: &[f32], ddelta: &[f32]);
}

/// Parameters of a block in lanes.
pub(super) struct Parameters<S: Simd> {
    pub(super) a_log2: Vec<S::f32s>,
    pub(super) skip: S::f32s,
    pub(super) bias: S::f32s,
    /// `[rank]`.
    pub(super) weight: Vec<S::f32s>,
}

impl<S: Simd> Parameters<S> {
    #[inline(always)]
    pub(super) fn load(simd: S, operands: &impl Operands, block: Block) -> Self {
        let extent = operands.extent();
        let first = block.group * extent.channels + block.channel;
        let rows = first..first + block.channels;
        let mut a_log2 = Vec::with_capacity(extent.states);
        for n in 0..extent.states {
            let a = gather(simd, operands.a(), rows.clone(), extent.states, n);
            a_log2.push(simd.mul_f32s(a, simd.splat_f32s(std::f32::consts::LOG2_E)));
        }
        let mut weight = Vec::with_capacity(extent.rank);
        for r in 0..extent.rank {
            weight.push(gather(simd, operands.dt_weight(), rows.clone(), extent.rank, r));
        }
        Self {
            a_log2,
            skip: gather(simd, operands.skip().unwrap_or(&[]), rows.clone(), 1, 0),
            bias: gather(simd, operands.delta_bias().unwrap_or(&[]), rows, 1, 0),
            weight,
        }
    }
}

/// One column of `[rows, columns]` in lanes; zeros where there are no values.
#[inline(always)]
fn gather<S: Simd>(simd: S, values: &[f32], rows: std::ops::Range<usize>, columns: usize, column: usize) -> S::f32s {
    let mut lanes = [0.0; 64];
    if !values.is_empty() {
        for (lane, row) in lanes.iter_mut().zip(rows) {
            *lane = values[row * columns + column];
        }
    }
    simd.partial_load_f32s(&lanes[..S::F32_LANES])
}

/// Operands of the current tile.
pub(super) struct Buffers<S: Simd> {
    pub(super) rows: Vec<f32>,
    pub(super) u: Vec<S::f32s>,
    /// Step before softplus.
    pub(super) x: Vec<S::f32s>,
    dt: Vec<S::f32s>,
    pub(super) y: Vec<S::f32s>,
}

impl<S: Simd> Buffers<S> {
    pub(super) fn new(simd: S, extent: &Extent) -> Self {
        let zeros = vec![simd.splat_f32s(0.0); TILE];
        Self { rows: vec![0.0; TILE * extent.row()], u: zeros.clone(), x: zeros.clone(), dt: zeros.clone(), y: zeros }
    }

    /// Loads `u`, expands the step and applies softplus. `rows` must be loaded.
    #[inline(always)]
    pub(super) fn load(
        &mut self,
        simd: S,
        operands: &impl Operands,
        block: Block,
        parameters: &Parameters<S>,
        start: usize,
        steps: usize,
    ) {
        let extent = operands.extent();
        let u: &mut [f32] = bytemuck::cast_slice_mut(&mut self.u[..steps]);
        let x: &mut [f32] = bytemuck::cast_slice_mut(&mut self.x[..steps]);
        operands.load(block, start, S::F32_LANES, u, x);
        for step in 0..steps {
            let low = &self.rows[step * extent.row()..][..extent.rank];
            let mut x = simd.add_f32s(self.x[step], parameters.bias);
            for (&low, &weight) in low.iter().zip(&parameters.weight) {
                x = simd.mul_add_e_f32s(weight, simd.splat_f32s(low), x);
            }
            self.x[step] = x;
            self.dt[step] = if extent.delta_softplus { softplus(simd, x) } else { x };
        }
    }

    #[inline(always)]
    pub(super) fn tile<'a>(&'a self, shape: TileShape, parameters: &'a Parameters<S>) -> Tile<'a, S> {
        Tile { shape, rows: &self.rows, u: &self.u, dt: &self.dt, a_log2: &parameters.a_log2 }
    }
}

/// Lanes of the instruction set that [`Arch`] chooses on this machine.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}
