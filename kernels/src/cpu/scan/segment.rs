//! Some blocks of channels on their way back together: what they share, and one tile of them.

use super::{
    TILE,
    backward::Sequences,
    block::{Block, Buffers, Extent, Operands, Parameters, TileLanes},
    gradient::{Scratch, Step, Sums, TOGETHER},
    step::{low_gradient, weight_gradient},
    tile::Tile,
};
use crate::cpu::memory::{Aligned, Lines};
use pulp::{Simd, bytemuck};
use std::borrow::Cow;

/// What the blocks of a segment share.
pub(super) struct Segment<'a, O, S: Simd> {
    operands: &'a O,
    sequences: Sequences<'a>,
    pub(super) scratch: Scratch<S>,
    lanes: [TileLanes<S>; TOGETHER],
    /// Steps of the current tile, `[TILE][P]`.
    back: Aligned<[Step<S>; TILE * TOGETHER]>,
    /// Gradient of the low-rank step of the current tile, `[TILE][registers of R]`, summed over the blocks.
    low: Lines<S::f32s>,
}

impl<'a, O: Operands, S: Simd> Segment<'a, O, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, operands: &'a O, sequences: Sequences<'a>, rows: bool) -> Self {
        let Extent { states, rank, .. } = operands.extent();
        let zero = simd.splat_f32s(0.0);
        Self {
            operands,
            sequences,
            scratch: Scratch::new(simd, states),
            lanes: [TileLanes::new(simd), TileLanes::new(simd)],
            back: Aligned([Step { dt: zero, input: zero, dy: zero, by_b: zero, by_a: zero }; TILE * TOGETHER]),
            low: Lines::zeros(if rows { TILE * rank.div_ceil(S::F32_LANES) } else { 0 }),
        }
    }

    /// Takes `P` blocks back over a tile.
    #[inline(always)]
    pub(super) fn tile<const P: usize, const ROWS: bool, const DECAY: bool>(
        &mut self,
        simd: S,
        index: usize,
        rows: &[&[f32]],
        walks: &[BlockWalk<'_, S>; P],
        sums: &mut [Sums<S>; P],
    ) {
        let Self { operands, sequences, scratch, lanes, back, low } = self;
        let extent = operands.extent();
        let (start, steps) = extent.tile(index);
        let (zero, ln_2) = (simd.splat_f32s(0.0), simd.splat_f32s(std::f32::consts::LN_2));
        let mut tiles = [Tile::EMPTY; P];
        let mut states = [&[][..]; P];
        let back = &mut back.0.as_chunks_mut::<P>().0[..steps];
        for (p, (walk, lanes)) in walks.iter().zip(lanes).enumerate() {
            let tile = lanes.load::<true>(simd, *operands, walk.block, &walk.parameters, start, rows);
            let mut dy = Aligned([zero; TILE]);
            let dy = &mut dy.0[..steps];
            operands.load(simd, sequences.dy, walk.block, start, dy);
            for (step, back) in back.iter_mut().enumerate() {
                back[p] = Step { dt: tile.dt[step], input: tile.input[step], dy: dy[step], by_b: zero, by_a: zero };
            }
            let size = extent.states * S::F32_LANES;
            (tiles[p], states[p]) = (tile, &walk.checkpoints[index * size..][..size]);
        }
        scratch.backward::<P, ROWS, DECAY>(simd, &tiles, &states, back, sums);
        for (p, (walk, sums)) in walks.iter().zip(sums).enumerate() {
            let tile = &tiles[p];
            let (mut du, mut dx) = (Aligned([zero; TILE]), Aligned([zero; TILE]));
            let (du, dx) = (&mut du.0[..steps], &mut dx.0[..steps]);
            let (mut skip, mut bias) = (sums.skip, sums.bias);
            for (step, back) in back.iter().enumerate() {
                let (back, u) = (back[p], tile.u[step]);
                du[step] = simd.mul_add_e_f32s(back.by_b, back.dt, simd.mul_f32s(walk.parameters.skip, back.dy));
                dx[step] = simd.mul_add_e_f32s(back.by_a, ln_2, simd.mul_f32s(back.by_b, u));
                dx[step] = simd.mul_f32s(dx[step], tile.slope[step]);
                skip = simd.mul_add_e_f32s(back.dy, u, skip);
                bias = simd.add_f32s(bias, dx[step]);
            }
            (sums.skip, sums.bias) = (skip, bias);
            weight_gradient(simd, tile, dx, &mut sums.weight);
            if ROWS && extent.rank > 0 {
                low_gradient(simd, dx, &walk.weight_rows, low);
            }
            if let Some(out) = sequences.du {
                operands.store(simd, walk.block, start, du, out, sequences.add);
            }
            if let Some(out) = sequences.ddelta {
                operands.store(simd, walk.block, start, dx, out, false);
            }
        }
    }

    /// Takes the row gradients of the current tile, summed over lanes, into `sums [steps][row]`.
    #[inline(always)]
    pub(super) fn take_rows(&mut self, simd: S, sums: &mut [f32]) {
        let extent = self.operands.extent();
        let columns = extent.rank.div_ceil(S::F32_LANES);
        if columns > 0 {
            for (low, sums) in self.low.chunks_exact_mut(columns).zip(sums.chunks_exact_mut(extent.row())) {
                let lanes: &mut [f32] = bytemuck::cast_slice_mut(low);
                sums[..extent.rank].copy_from_slice(&lanes[..extent.rank]);
                lanes.fill(0.0);
            }
        }
        self.scratch.take(simd, extent.rank, extent.states, sums);
    }
}

/// One block on its way back.
pub(super) struct BlockWalk<'a, S: Simd> {
    block: Block,
    parameters: Parameters<S>,
    /// Weights of the step with the rank along the lanes, `[lanes][registers of R]`.
    weight_rows: Lines<S::f32s>,
    /// State before each tile, `[tiles][states][lanes]`.
    checkpoints: Cow<'a, [f32]>,
}

impl<'a, S: Simd> BlockWalk<'a, S> {
    /// Runs forward once for the checkpoints where there are none.
    #[inline(always)]
    pub(super) fn new(
        simd: S,
        operands: &impl Operands,
        block: Block,
        kept: Option<&'a [f32]>,
        buffers: &mut Buffers<S>,
    ) -> Self {
        let extent = operands.extent();
        let parameters = Parameters::load(simd, operands, block);
        let checkpoints = match kept {
            Some(kept) => Cow::Borrowed(kept),
            None => Cow::Owned(checkpoints(simd, operands, block, &parameters, buffers)),
        };
        let columns = extent.rank.div_ceil(S::F32_LANES);
        let mut weight_rows = Lines::zeros(S::F32_LANES * columns);
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut weight_rows);
        for (lane, channel) in block.channels(&extent).enumerate() {
            let weights = &operands.dt_weight()[channel * extent.rank..][..extent.rank];
            rows[lane * columns * S::F32_LANES..][..extent.rank].copy_from_slice(weights);
        }
        Self { block, parameters, weight_rows, checkpoints }
    }
}

/// Runs a block forward: its states before each tile, `[tiles][states][lanes]`.
#[inline(always)]
fn checkpoints<S: Simd>(
    simd: S,
    operands: &impl Operands,
    block: Block,
    parameters: &Parameters<S>,
    buffers: &mut Buffers<S>,
) -> Vec<f32> {
    let extent = operands.extent();
    let mut state = Lines::zeros(extent.states);
    let mut checkpoints = Vec::with_capacity(extent.tiles() * extent.states * S::F32_LANES);
    for index in 0..extent.tiles() {
        checkpoints.extend_from_slice(bytemuck::cast_slice::<S::f32s, f32>(&state));
        if index + 1 == extent.tiles() {
            break;
        }
        let (start, steps) = extent.tile(index);
        let mut rows = [&[][..]; TILE];
        let rows = &mut rows[..steps];
        operands.load_rows(block, start, &mut buffers.rows, rows);
        let tile = buffers.lanes.load::<false>(simd, operands, block, parameters, start, rows);
        tile.forward::<false>(simd, &mut state, &mut []);
    }
    checkpoints
}
