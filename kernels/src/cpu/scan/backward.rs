//! The backward walk: checkpoints on the way out, gradients on the way back.

use super::{
    TILE,
    block::{Block, Buffers, Extent, Operands, Parameters, Sink, lanes},
    tile::{TileGradients, Trace},
};
use crate::cpu::lanes::sigmoid;
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;

/// Into how many segments the channels of a group are cut in the backward pass.
///
/// Each segment sums the row gradients of its channels by itself. The number is fixed, so the order of the additions is
/// too, whatever the thread count.
const SEGMENTS: usize = 8;

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
    pub(super) rows: Vec<Vec<f32>>,
    pub(super) segments: usize,
    pub(super) blocks: Vec<BlockGradients>,
}

impl GroupGradients {
    /// Sums the segments of the `index`-th `(batch, group)` and hands each position's row to `store`.
    pub(super) fn for_each_row(&self, index: usize, row: usize, mut store: impl FnMut(usize, &[f32])) {
        let parts = &self.rows[index * self.segments..][..self.segments];
        let mut sum = vec![0.0; row];
        for position in 0..parts[0].len() / row {
            sum.copy_from_slice(&parts[0][position * row..][..row]);
            for part in &parts[1..] {
                for (sum, value) in sum.iter_mut().zip(&part[position * row..][..row]) {
                    *sum += value;
                }
            }
            store(position, &sum);
        }
    }
}

/// The backward pass of the given groups; `rows` and `a` say whether those gradients are wanted.
pub(super) fn backward<O: Operands, K: Sink>(
    operands: &O,
    sink: &K,
    groups: std::ops::Range<usize>,
    rows: bool,
    a: bool,
) -> GroupGradients {
    let extent = operands.extent();
    let (arch, lanes) = (Arch::new(), lanes());
    let blocks = extent.blocks(lanes);
    let per_segment = blocks.div_ceil(SEGMENTS);
    let segments = blocks.div_ceil(per_segment);
    let tasks: Vec<(usize, usize, usize)> = (0..extent.batch)
        .flat_map(|batch| groups.clone().map(move |group| (batch, group)))
        .flat_map(|(batch, group)| (0..segments).map(move |segment| (batch, group, segment)))
        .collect();
    let results: Vec<(Vec<f32>, Vec<BlockGradients>)> = tasks
        .into_par_iter()
        .map(|(batch, group, segment)| {
            let range = segment * per_segment..blocks.min((segment + 1) * per_segment);
            let blocks = range.map(|index| Block::new(&extent, lanes, batch, group, index)).collect();
            match (rows, a) {
                (true, true) => arch.dispatch(BackwardWalk::<O, K, true, true> { operands, sink, blocks }),
                (true, false) => arch.dispatch(BackwardWalk::<O, K, true, false> { operands, sink, blocks }),
                (false, true) => arch.dispatch(BackwardWalk::<O, K, false, true> { operands, sink, blocks }),
                (false, false) => arch.dispatch(BackwardWalk::<O, K, false, false> { operands, sink, blocks }),
            }
        })
        .collect();
    let (rows, blocks): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    GroupGradients { rows, segments, blocks: blocks.into_iter().flatten().collect() }
}

/// The backward walk of one segment: all its blocks together, so that the row gradients are summed in registers and cache.
struct BackwardWalk<'a, O, K, const ROWS: bool, const DECAY: bool> {
    operands: &'a O,
    sink: &'a K,
    blocks: Vec<Block>,
}

impl<O: Operands, K: Sink, const ROWS: bool, const DECAY: bool> WithSimd for BackwardWalk<'_, O, K, ROWS, DECAY> {
    type Output = (Vec<f32>, Vec<BlockGradients>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { operands, sink, blocks } = self;
        let extent = operands.extent();
        let (states, row, tiles) = (extent.states, extent.row(), extent.tiles());
        let zero = simd.splat_f32s(0.0);
        let Block { batch, group, .. } = blocks[0];
        let mut buffers = Buffers::new(simd, &extent);
        // SIMD code stays out of iterator closures: compiled apart, they lose the instruction set and every
        // intrinsic becomes a call.
        let mut walks: Vec<BlockWalk<S>> = Vec::with_capacity(blocks.len());
        for &block in &blocks {
            walks.push(BlockWalk::new(simd, operands, block, &mut buffers));
        }

        let mut trace = Trace::new(simd, states);
        let mut row_lanes = vec![zero; if ROWS { TILE * row } else { 0 }];
        let mut row_sums = vec![0.0; if ROWS { extent.length * row } else { 0 }];
        let mut dy = vec![zero; TILE];
        let mut du = vec![zero; TILE];
        let mut ddelta = vec![zero; TILE];
        for index in (0..tiles).rev() {
            let (start, shape) = extent.tile(index);
            let steps = shape.steps;
            operands.load_rows(batch, group, start, &mut buffers.rows[..steps * row]);
            row_lanes.fill(zero);
            for walk in &mut walks {
                buffers.load(simd, operands, walk.block, &walk.parameters, start, steps);
                sink.load_dy(walk.block, start, S::F32_LANES, bytemuck::cast_slice_mut(&mut dy[..steps]));
                let mut out = TileGradients {
                    carry: &mut walk.carry,
                    u: &mut du,
                    dt: &mut ddelta,
                    a: &mut walk.a,
                    rows: &mut row_lanes,
                };
                let checkpoint = &walk.checkpoints[index * states..][..states];
                buffers
                    .tile(shape, &walk.parameters)
                    .backward::<ROWS, DECAY>(simd, checkpoint, &dy, &mut trace, &mut out);
                for step in 0..steps {
                    let low = &buffers.rows[step * row..][..extent.rank];
                    du[step] = simd.mul_add_e_f32s(walk.parameters.skip, dy[step], du[step]);
                    walk.skip = simd.mul_add_e_f32s(dy[step], buffers.u[step], walk.skip);
                    if extent.delta_softplus {
                        ddelta[step] = simd.mul_f32s(ddelta[step], sigmoid(simd, buffers.x[step]));
                    }
                    walk.bias = simd.add_f32s(walk.bias, ddelta[step]);
                    for (r, &low) in low.iter().enumerate() {
                        walk.weight[r] = simd.mul_add_e_f32s(ddelta[step], simd.splat_f32s(low), walk.weight[r]);
                        if ROWS {
                            let lanes = &mut row_lanes[step * row + r];
                            *lanes = simd.mul_add_e_f32s(ddelta[step], walk.parameters.weight[r], *lanes);
                        }
                    }
                }
                sink.store(
                    walk.block,
                    start,
                    S::F32_LANES,
                    bytemuck::cast_slice(&du[..steps]),
                    bytemuck::cast_slice(&ddelta[..steps]),
                );
            }
            if ROWS {
                for (sum, &lanes) in row_sums[start * row..][..steps * row].iter_mut().zip(&row_lanes) {
                    *sum = simd.reduce_sum_f32s(lanes);
                }
            }
        }
        (row_sums, walks.into_iter().map(BlockWalk::finish).collect())
    }
}

/// One block on its way back.
struct BlockWalk<S: Simd> {
    block: Block,
    parameters: Parameters<S>,
    /// State before each tile, `[tiles][states]`.
    checkpoints: Vec<S::f32s>,
    carry: Vec<S::f32s>,
    a: Vec<S::f32s>,
    skip: S::f32s,
    bias: S::f32s,
    weight: Vec<S::f32s>,
}

impl<S: Simd> BlockWalk<S> {
    /// Runs forward once to leave the checkpoints.
    #[inline(always)]
    fn new(simd: S, operands: &impl Operands, block: Block, buffers: &mut Buffers<S>) -> Self {
        let extent = operands.extent();
        let parameters = Parameters::load(simd, operands, block);
        let zero = simd.splat_f32s(0.0);
        let mut state = vec![zero; extent.states];
        let mut checkpoints = Vec::with_capacity(extent.tiles() * extent.states);
        let mut y = vec![zero; TILE];
        for index in 0..extent.tiles() {
            checkpoints.extend_from_slice(&state);
            if index + 1 == extent.tiles() {
                break;
            }
            let (start, shape) = extent.tile(index);
            operands.load_rows(block.batch, block.group, start, &mut buffers.rows[..shape.steps * shape.row()]);
            buffers.load(simd, operands, block, &parameters, start, shape.steps);
            buffers.tile(shape, &parameters).forward(simd, &mut state, &mut y);
        }
        Self {
            block,
            parameters,
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

/// Adds the parameter gradients of all blocks, in order, into `[groups * channels, columns]`.
pub(super) fn sum_parameters(
    extent: &Extent,
    columns: usize,
    blocks: &[BlockGradients],
    of: impl Fn(&BlockGradients) -> &[f32],
) -> Vec<f32> {
    let mut out = vec![0.0; extent.groups * extent.channels * columns];
    for gradients in blocks {
        let Block { group, channel, channels, .. } = gradients.block;
        let values = of(gradients);
        let lanes = values.len() / columns.max(1);
        for lane in 0..channels {
            let first = (group * extent.channels + channel + lane) * columns;
            for column in 0..columns {
                out[first + column] += values[column * lanes + lane];
            }
        }
    }
    out
}
