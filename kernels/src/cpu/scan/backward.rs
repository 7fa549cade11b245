//! The backward walk: checkpoints on the way out, gradients on the way back.

use super::{
    TILE,
    block::{Block, Buffers, Extent, Operands, Parameters},
    checkpoints::Checkpoints,
    gradient::{Scratch, Step},
    step::{low_gradient, weight_gradient},
};
use crate::cpu::{
    lanes::{lanes, sigmoid},
    shared::SharedSlice,
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;
use std::borrow::Cow;

/// Into how many segments the channels of a group are cut in the backward pass.
///
/// Each segment sums the row gradients of its channels by itself. The number is fixed, so the order of the additions is
/// too, whatever the thread count.
pub(super) const SEGMENTS: usize = 8;

/// The output gradient and the places for the gradients that are laid out like it.
#[derive(Clone, Copy)]
pub(super) struct Sequences<'a> {
    pub(super) dy: &'a [f32],
    pub(super) du: Option<SharedSlice<'a>>,
    pub(super) ddelta: Option<SharedSlice<'a>>,
}

/// Gradients of one block's parameters, flat with lanes last.
pub(super) struct BlockGradients {
    pub(super) block: Block,
    /// `[states][lanes]`.
    pub(super) a: Vec<f32>,
    pub(super) skip: Vec<f32>,
    pub(super) delta_bias: Vec<f32>,
    /// `[rank][lanes]`.
    pub(super) dt_weight: Vec<f32>,
}

/// Row gradients and parameter gradients of some groups.
pub(super) struct GroupGradients {
    /// Partial sums of the rows, one a `(batch, group)` and segment: `[batch][groups][segments][length][row]`.
    rows: Vec<Vec<f32>>,
    segments: usize,
    pub(super) blocks: Vec<BlockGradients>,
}

impl GroupGradients {
    /// The row of one position, summed over the segments of the `index`-th `(batch, group)`.
    pub(super) fn sum_row(&self, index: usize, position: usize, sum: &mut [f32]) {
        let parts = &self.rows[index * self.segments..][..self.segments];
        let at = position * sum.len();
        sum.copy_from_slice(&parts[0][at..][..sum.len()]);
        for part in &parts[1..] {
            for (sum, value) in sum.iter_mut().zip(&part[at..]) {
                *sum += value;
            }
        }
    }
}

/// The backward pass of the given groups, which run side by side; `rows` and `a` say whether those gradients are wanted.
pub(super) fn backward<O: Operands>(
    arch: Arch,
    operands: &O,
    groups: &[(usize, Sequences<'_>)],
    checkpoints: Option<&Checkpoints>,
    rows: bool,
    a: bool,
) -> GroupGradients {
    let extent = operands.extent();
    let lanes = lanes(arch);
    let blocks = extent.blocks(lanes);
    let per_segment = blocks.div_ceil(SEGMENTS);
    let segments = blocks.div_ceil(per_segment);
    let results: Vec<(Vec<f32>, Vec<BlockGradients>)> = (0..extent.batch * groups.len() * segments)
        .into_par_iter()
        .map(|task| {
            let (index, segment) = (task / segments, task % segments);
            let (batch, (group, sequences)) = (index / groups.len(), groups[index % groups.len()]);
            let range = segment * per_segment..blocks.min((segment + 1) * per_segment);
            let blocks = range.map(|index| Block::new(&extent, lanes, batch, group, index)).collect();
            let kept = checkpoints;
            match (rows, a) {
                (true, true) => arch.dispatch(BackwardWalk::<O, true, true> { operands, sequences, blocks, kept }),
                (true, false) => arch.dispatch(BackwardWalk::<O, true, false> { operands, sequences, blocks, kept }),
                (false, true) => arch.dispatch(BackwardWalk::<O, false, true> { operands, sequences, blocks, kept }),
                (false, false) => arch.dispatch(BackwardWalk::<O, false, false> { operands, sequences, blocks, kept }),
            }
        })
        .collect();
    let (rows, blocks): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    GroupGradients { rows, segments, blocks: blocks.into_iter().flatten().collect() }
}

/// The backward walk of one segment: all its blocks together, so that the row gradients are summed in cache.
struct BackwardWalk<'a, O, const ROWS: bool, const DECAY: bool> {
    operands: &'a O,
    sequences: Sequences<'a>,
    blocks: Vec<Block>,
    /// What the forward pass left; without it the walk finds its checkpoints itself.
    kept: Option<&'a Checkpoints>,
}

impl<O: Operands, const ROWS: bool, const DECAY: bool> WithSimd for BackwardWalk<'_, O, ROWS, DECAY> {
    type Output = (Vec<f32>, Vec<BlockGradients>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { operands, sequences, blocks, kept } = self;
        let extent = operands.extent();
        let (states, rank, row) = (extent.states, extent.rank, extent.row());
        let zero = simd.splat_f32s(0.0);
        let mut buffers = Buffers::new(simd, &extent);
        // SIMD code stays out of iterator closures: compiled apart, they lose the instruction set and every
        // intrinsic becomes a call.
        let mut walks: Vec<BlockWalk<S>> = Vec::with_capacity(blocks.len());
        for &block in &blocks {
            let kept = kept.map(|kept| kept.of(&extent, block));
            walks.push(BlockWalk::new(simd, operands, block, kept, &mut buffers));
        }
        let mut checkpoint = vec![zero; states];

        let mut scratch = Scratch::new(simd, states);
        let low_columns = rank.div_ceil(S::F32_LANES);
        let mut low_lanes = vec![zero; if ROWS { TILE * low_columns } else { 0 }];
        let mut row_sums = vec![0.0; if ROWS { extent.length * row } else { 0 }];
        for index in (0..extent.tiles()).rev() {
            let (start, steps) = extent.tile(index);
            let mut rows = [&[][..]; TILE];
            let rows = &mut rows[..steps];
            operands.load_rows(blocks[0], start, &mut buffers.rows, rows);
            scratch.load(rows, rank, states);
            for walk in &mut walks {
                let tile = buffers.lanes.load(simd, operands, walk.block, &walk.parameters, start, rows);
                let mut dy = [zero; TILE];
                operands.load(simd, sequences.dy, walk.block, start, &mut dy[..steps]);
                let mut back = [Step { dt: zero, input: zero, dy: zero, by_b: zero, by_a: zero }; TILE];
                let back = &mut back[..steps];
                for (step, back) in back.iter_mut().enumerate() {
                    (back.dt, back.input, back.dy) = (tile.dt[step], tile.input[step], dy[step]);
                }
                let before = index * states * S::F32_LANES;
                let lanes: &mut [f32] = bytemuck::cast_slice_mut(&mut checkpoint);
                lanes.copy_from_slice(&walk.checkpoints[before..][..states * S::F32_LANES]);
                tile.backward::<ROWS, DECAY>(simd, &checkpoint, back, &mut scratch, &mut walk.carry, &mut walk.a);
                let (mut du, mut dx) = ([zero; TILE], [zero; TILE]);
                for (step, back) in back.iter().enumerate() {
                    let u = tile.u[step];
                    du[step] = simd.mul_add_e_f32s(back.by_b, back.dt, simd.mul_f32s(walk.parameters.skip, back.dy));
                    let by_u = simd.mul_f32s(back.by_b, u);
                    dx[step] = simd.mul_add_e_f32s(back.by_a, simd.splat_f32s(std::f32::consts::LN_2), by_u);
                    if extent.delta_softplus {
                        dx[step] = simd.mul_f32s(dx[step], sigmoid(simd, tile.x[step]));
                    }
                    walk.skip = simd.mul_add_e_f32s(back.dy, u, walk.skip);
                    walk.bias = simd.add_f32s(walk.bias, dx[step]);
                }
                let (du, dx) = (&du[..steps], &dx[..steps]);
                weight_gradient(simd, &tile, dx, &mut walk.weight);
                if ROWS && rank > 0 {
                    low_gradient(simd, dx, &walk.weight_rows, &mut low_lanes);
                }
                if let Some(out) = sequences.du {
                    operands.store(simd, walk.block, start, du, out);
                }
                if let Some(out) = sequences.ddelta {
                    operands.store(simd, walk.block, start, dx, out);
                }
            }
            if ROWS {
                let sums = &mut row_sums[start * row..][..steps * row];
                for step in 0..steps {
                    let (low, projections) = sums[step * row..][..row].split_at_mut(rank);
                    let lanes: &mut [f32] =
                        bytemuck::cast_slice_mut(&mut low_lanes[step * low_columns..][..low_columns]);
                    low.copy_from_slice(&lanes[..rank]);
                    lanes.fill(0.0);
                    scratch.take(simd, step, states, projections);
                }
            }
        }
        (row_sums, walks.into_iter().map(BlockWalk::finish).collect())
    }
}

/// One block on its way back.
struct BlockWalk<'a, S: Simd> {
    block: Block,
    parameters: Parameters<S>,
    /// Weights of the step with the rank along the lanes, `[lanes][registers of R]`.
    weight_rows: Vec<S::f32s>,
    /// State before each tile, `[tiles][states][lanes]`.
    checkpoints: Cow<'a, [f32]>,
    carry: Vec<S::f32s>,
    a: Vec<S::f32s>,
    skip: S::f32s,
    bias: S::f32s,
    weight: Vec<S::f32s>,
}

impl<'a, S: Simd> BlockWalk<'a, S> {
    /// Runs forward once for the checkpoints where there are none.
    #[inline(always)]
    fn new(simd: S, operands: &impl Operands, block: Block, kept: Option<&'a [f32]>, buffers: &mut Buffers<S>) -> Self {
        let extent = operands.extent();
        let parameters = Parameters::load(simd, operands, block);
        let zero = simd.splat_f32s(0.0);
        let checkpoints = match kept {
            Some(kept) => Cow::Borrowed(kept),
            None => Cow::Owned(checkpoints(simd, operands, block, &parameters, buffers)),
        };
        let columns = extent.rank.div_ceil(S::F32_LANES);
        let mut weight_rows = vec![zero; S::F32_LANES * columns];
        let rows: &mut [f32] = bytemuck::cast_slice_mut(&mut weight_rows);
        for (lane, channel) in block.channels(&extent).enumerate() {
            let weights = &operands.dt_weight()[channel * extent.rank..][..extent.rank];
            rows[lane * columns * S::F32_LANES..][..extent.rank].copy_from_slice(weights);
        }
        Self {
            block,
            parameters,
            weight_rows,
            checkpoints,
            carry: vec![zero; extent.states],
            a: vec![zero; extent.states],
            skip: zero,
            bias: zero,
            weight: vec![zero; extent.rank],
        }
    }

    fn finish(self) -> BlockGradients {
        BlockGradients {
            block: self.block,
            a: bytemuck::cast_slice(&self.a).to_vec(),
            skip: bytemuck::cast_slice(&[self.skip]).to_vec(),
            delta_bias: bytemuck::cast_slice(&[self.bias]).to_vec(),
            dt_weight: bytemuck::cast_slice(&self.weight).to_vec(),
        }
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
    let mut state = vec![simd.splat_f32s(0.0); extent.states];
    let mut checkpoints = Vec::with_capacity(extent.tiles() * extent.states * S::F32_LANES);
    for index in 0..extent.tiles() {
        checkpoints.extend_from_slice(bytemuck::cast_slice(&state));
        if index + 1 == extent.tiles() {
            break;
        }
        let (start, steps) = extent.tile(index);
        let mut rows = [&[][..]; TILE];
        let rows = &mut rows[..steps];
        operands.load_rows(block, start, &mut buffers.rows, rows);
        let tile = buffers.lanes.load(simd, operands, block, parameters, start, rows);
        tile.forward::<false>(simd, &mut state, &mut []);
    }
    checkpoints
}

/// Adds the parameter gradients of all blocks, in order, into `[groups * channels, columns]`.
pub(super) fn sum_parameters(
    extent: &Extent,
    columns: usize,
    blocks: &[BlockGradients],
    of: impl Fn(&BlockGradients) -> &[f32],
) -> Vec<f32> {
    let mut out = vec![0.0; extent.groups * extent.channels * columns];
    for gradients in blocks {
        let values = of(gradients);
        let lanes = values.len() / columns.max(1);
        for (lane, channel) in gradients.block.channels(extent).enumerate() {
            for column in 0..columns {
                out[channel * columns + column] += values[column * lanes + lane];
            }
        }
    }
    out
}
