//! The backward walk: checkpoints on the way out, gradients on the way back.

use super::{
    TILE,
    block::{Block, Buffers, Extent, Operands, Parameters, TileLanes},
    checkpoints::Checkpoints,
    forward::FAR,
    gradient::{Scratch, Step, Sums, TOGETHER, together},
    step::{low_gradient, weight_gradient},
    tile::Tile,
};
use crate::cpu::{
    lanes::lanes,
    memory::{Aligned, Lines, zeros},
    shared::SharedSlice,
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;
use std::borrow::Cow;

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

/// Row gradients of some groups, one sum a `(batch, group)` and segment: `[batch][groups][segments][length][row]`.
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
        Self { values: zeros(extent.batch * groups * segments * size), segments, size }
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
    let rows = SharedSlice::new(&mut rows.values);
    (0..extent.batch * groups.len() * segments)
        .into_par_iter()
        .map(|task| {
            // SAFETY: every task has a segment of its own.
            let rows = unsafe { rows.range(task * size, size) };
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
        .collect()
}

/// The backward walk of one segment: all its blocks together, so that the row gradients are summed in cache.
struct BackwardWalk<'a, O, const ROWS: bool, const DECAY: bool> {
    operands: &'a O,
    sequences: Sequences<'a>,
    blocks: Vec<Block>,
    /// What the forward pass left; without it the walk finds its checkpoints itself.
    kept: Option<&'a Checkpoints>,
    /// Row gradients of the segment, `[length][row]`.
    rows: &'a mut [f32],
}

impl<O: Operands, const ROWS: bool, const DECAY: bool> WithSimd for BackwardWalk<'_, O, ROWS, DECAY> {
    type Output = Vec<BlockGradients>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { operands, sequences, blocks, kept, rows: row_sums } = self;
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
                segment.take_rows(simd, &mut row_sums[start * row..][..steps * row]);
            }
        }
        blocks.into_iter().zip(sums).map(|(block, sums)| BlockGradients::new(block, &sums)).collect()
    }
}

/// What the blocks of a segment share.
struct Segment<'a, O, S: Simd> {
    operands: &'a O,
    sequences: Sequences<'a>,
    scratch: Scratch<S>,
    lanes: [TileLanes<S>; TOGETHER],
    /// Steps of the current tile, `[TILE][P]`.
    back: Aligned<[Step<S>; TILE * TOGETHER]>,
    /// Gradient of the low-rank step of the current tile, `[TILE][registers of R]`, summed over the blocks.
    low: Lines<S::f32s>,
}

impl<'a, O: Operands, S: Simd> Segment<'a, O, S> {
    #[inline(always)]
    fn new(simd: S, operands: &'a O, sequences: Sequences<'a>, rows: bool) -> Self {
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
    fn tile<const P: usize, const ROWS: bool, const DECAY: bool>(
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
                operands.store(simd, walk.block, start, du, out);
            }
            if let Some(out) = sequences.ddelta {
                operands.store(simd, walk.block, start, dx, out);
            }
        }
    }

    /// Takes the row gradients of the current tile, summed over lanes, into `sums [steps][row]`.
    #[inline(always)]
    fn take_rows(&mut self, simd: S, sums: &mut [f32]) {
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
struct BlockWalk<'a, S: Simd> {
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
    fn new(simd: S, operands: &impl Operands, block: Block, kept: Option<&'a [f32]>, buffers: &mut Buffers<S>) -> Self {
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
