//! The backward walk: checkpoints on the way out, gradients on the way back.

use super::{
    TILE,
    block::{Block, Buffers, Extent, Operands},
    checkpoints::Checkpoints,
    forward::FAR,
    gradient::{Sums, together},
    segment::{BlockWalk, Segment},
};
use crate::cpu::{lanes::lanes, memory::room, shared::SharedSlice};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;

/// Into how many segments the blocks of a group are cut in the backward pass, and the blocks of each.
///
/// Each segment sums the row gradients of its channels by itself: few large segments share that work, many keep the cores
/// busy. The number depends on the shape alone, so the order of the additions does too, whatever the thread count.
pub(super) fn segments(extent: &Extent, lanes: usize) -> (usize, usize) {
    /// Blocks that are worth a segment.
    const WORTHWHILE: usize = 4;
    /// With four directions side by side, enough tasks for twelve and for sixteen cores.
    const FEWEST: usize = 3;
    const MOST: usize = 4;
    let blocks = extent.blocks(lanes);
    let size = blocks.div_ceil((blocks / WORTHWHILE).clamp(FEWEST, MOST));
    (blocks.div_ceil(size), size)
}

/// The output gradient and the places for the gradients that are laid out like it.
#[derive(Clone, Copy)]
pub(super) struct Sequences<'a> {
    pub(super) dy: &'a [f32],
    pub(super) du: Option<SharedSlice<'a>>,
    pub(super) ddelta: Option<SharedSlice<'a>>,
    /// Whether `du` holds values to add to.
    pub(super) add: bool,
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

impl BlockGradients {
    fn new<S: Simd>(block: Block, sums: &Sums<S>) -> Self {
        Self {
            block,
            a: bytemuck::cast_slice::<S::f32s, f32>(&sums.a).to_vec(),
            skip: bytemuck::cast_slice(&[sums.skip]).to_vec(),
            delta_bias: bytemuck::cast_slice(&[sums.bias]).to_vec(),
            dt_weight: bytemuck::cast_slice::<S::f32s, f32>(&sums.weight).to_vec(),
        }
    }
}

/// Row gradients of some groups, written anew by every [`backward`]; one sum a `(batch, group)` and segment: `[batch][groups][segments][length][row]`.
pub(super) struct RowSums {
    values: Vec<f32>,
    segments: usize,
    /// Values of one segment.
    size: usize,
}

impl RowSums {
    /// Room for `groups` groups; for none where the rows are not `wanted`.
    pub(super) fn new(extent: &Extent, lanes: usize, groups: usize, wanted: bool) -> Self {
        let (segments, _) = segments(extent, lanes);
        let size = if wanted { extent.length * extent.row() } else { 0 };
        Self { values: room(extent.batch * groups * segments * size), segments, size }
    }

    /// The row of one position, summed over the segments of the `index`-th `(batch, group)`.
    pub(super) fn sum_row(&self, index: usize, position: usize, sum: &mut [f32]) {
        let at = (index * self.segments) * self.size + position * sum.len();
        sum.copy_from_slice(&self.values[at..][..sum.len()]);
        for segment in 1..self.segments {
            for (sum, value) in sum.iter_mut().zip(&self.values[at + segment * self.size..]) {
                *sum += value;
            }
        }
    }
}

/// The backward pass of the given groups, which run side by side: leaves their row gradients in `rows` and returns those of the
/// parameters, block by block. Rows without room are not wanted, nor is the gradient of `a` unless `a` says so.
pub(super) fn backward<O: Operands>(
    arch: Arch,
    operands: &O,
    groups: &[(usize, Sequences<'_>)],
    checkpoints: Option<&Checkpoints>,
    rows: &mut RowSums,
    a: bool,
) -> Vec<BlockGradients> {
    let extent = operands.extent();
    let lanes = lanes(arch);
    let blocks = extent.blocks(lanes);
    let (segments, per_segment) = segments(&extent, lanes);
    let (size, wanted) = (rows.size, rows.size > 0);
    rows.values.clear();
    let values = SharedSlice::of_capacity(&mut rows.values);
    let found = (0..extent.batch * groups.len() * segments)
        .into_par_iter()
        .map(|task| {
            let rows = (values, task * size);
            let (index, segment) = (task / segments, task % segments);
            let (batch, (group, sequences)) = (index / groups.len(), groups[index % groups.len()]);
            let range = segment * per_segment..blocks.min((segment + 1) * per_segment);
            let blocks = range.map(|index| Block::new(&extent, lanes, batch, group, index)).collect();
            let kept = checkpoints;
            match (wanted, a) {
                (true, true) => {
                    arch.dispatch(BackwardWalk::<O, true, true> { operands, sequences, blocks, kept, rows })
                }
                (true, false) => {
                    arch.dispatch(BackwardWalk::<O, true, false> { operands, sequences, blocks, kept, rows })
                }
                (false, true) => {
                    arch.dispatch(BackwardWalk::<O, false, true> { operands, sequences, blocks, kept, rows })
                }
                (false, false) => {
                    arch.dispatch(BackwardWalk::<O, false, false> { operands, sequences, blocks, kept, rows })
                }
            }
        })
        .flatten_iter()
        .collect();
    if wanted {
        // SAFETY: every walk writes the rows of all its tiles.
        unsafe { rows.values.set_len(extent.batch * groups.len() * segments * size) };
    }
    found
}

/// The backward walk of one segment: all its blocks together, so that the row gradients are summed in cache.
struct BackwardWalk<'a, O, const ROWS: bool, const DECAY: bool> {
    operands: &'a O,
    sequences: Sequences<'a>,
    blocks: Vec<Block>,
    /// What the forward pass left; without it the walk finds its checkpoints itself.
    kept: Option<&'a Checkpoints>,
    /// Where row gradients go, and where there those of this segment begin, `[length][row]`.
    rows: (SharedSlice<'a>, usize),
}

impl<O: Operands, const ROWS: bool, const DECAY: bool> WithSimd for BackwardWalk<'_, O, ROWS, DECAY> {
    type Output = Vec<BlockGradients>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { operands, sequences, blocks, kept, rows: (row_sums, first_row) } = self;
        let extent = operands.extent();
        let (states, rank, row) = (extent.states, extent.rank, extent.row());
        let mut buffers = Buffers::new(simd, &extent);
        // SIMD code stays out of iterator closures: compiled apart, they lose the instruction set and every
        // intrinsic becomes a call.
        let mut walks: Vec<BlockWalk<S>> = Vec::with_capacity(blocks.len());
        let mut sums: Vec<Sums<S>> = Vec::with_capacity(blocks.len());
        for &block in &blocks {
            let kept = kept.map(|kept| kept.of(&extent, block));
            walks.push(BlockWalk::new(simd, operands, block, kept, &mut buffers));
            sums.push(Sums::new(simd, &extent));
        }
        let mut tile_rows = vec![0.0; if ROWS { TILE * row } else { 0 }];
        let mut segment = Segment::new(simd, operands, sequences, ROWS);
        let mut slices = vec![operands.u().as_ptr(), sequences.dy.as_ptr()];
        slices.extend([sequences.du, sequences.ddelta].iter().flatten().map(SharedSlice::address));
        let far = extent.length * extent.channels >= FAR;
        let paired = if together::<S>() == 2 { walks.len() / 2 * 2 } else { 0 };
        for index in (0..extent.tiles()).rev() {
            let (start, steps) = extent.tile(index);
            let mut rows = [&[][..]; TILE];
            let rows = &mut rows[..steps];
            operands.load_rows(blocks[0], start, &mut buffers.rows, rows);
            segment.scratch.load(rows, rank, states);
            if far && index > 0 {
                operands.prefetch(&blocks, extent.tile(index - 1).0..start, &slices);
            }
            let (pairs, single) = (walks[..paired].as_chunks().0, walks[paired..].as_chunks().0);
            let (pair_sums, single_sums) = sums.split_at_mut(paired);
            for (walks, sums) in pairs.iter().zip(pair_sums.as_chunks_mut().0) {
                segment.tile::<2, ROWS, DECAY>(simd, index, rows, walks, sums);
            }
            for (walks, sums) in single.iter().zip(single_sums.as_chunks_mut().0) {
                segment.tile::<1, ROWS, DECAY>(simd, index, rows, walks, sums);
            }
            if ROWS {
                let sums = &mut tile_rows[..steps * row];
                segment.take_rows(simd, sums);
                // SAFETY: every walk has a segment of its own.
                unsafe { row_sums.write(first_row + start * row, sums) };
            }
        }
        blocks.into_iter().zip(sums).map(|(block, sums)| BlockGradients::new(block, &sums)).collect()
    }
}

/// Parameters that are worth a task.
const PARAMETERS: usize = 1 << 14;

/// Adds the parameter gradients of all blocks, in order, into `[groups * channels, columns]`.
pub(super) fn sum_parameters(
    extent: &Extent,
    columns: usize,
    blocks: &[BlockGradients],
    of: impl Fn(&BlockGradients) -> &[f32] + Sync,
) -> Vec<f32> {
    let mut out = vec![0.0; extent.groups * extent.channels * columns];
    let Some(lanes) = blocks.first().map(|gradients| gradients.block.lanes) else { return out };
    // Blocks of the same channels, one a map, in the order of the maps; those of other channels are added on another thread.
    let mut of_channels = vec![Vec::new(); extent.groups * extent.blocks(lanes)];
    for gradients in blocks {
        let Block { group, channel, .. } = gradients.block;
        of_channels[group * extent.blocks(lanes) + channel / lanes].push(gradients);
    }
    let shared = SharedSlice::new(&mut out);
    of_channels.into_par_iter().with_min_len(PARAMETERS.div_ceil(lanes * columns.max(1))).for_each(|blocks| {
        for gradients in blocks {
            let (values, channels) = (of(gradients), gradients.block.channels(extent));
            // SAFETY: blocks of other channels have other rows.
            let rows = unsafe { shared.range(channels.start * columns, channels.len() * columns) };
            for (lane, row) in rows.chunks_exact_mut(columns.max(1)).enumerate() {
                for (sum, &value) in row.iter_mut().zip(values[lane..].iter().step_by(lanes)) {
                    *sum += value;
                }
            }
        }
    });
    out
}
