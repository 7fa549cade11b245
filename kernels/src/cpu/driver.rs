//! Walks whole sequences tile by tile and spreads blocks of channels over the cores.

use super::{
    TILE,
    lanes::{sigmoid, softplus},
    tile::{Tile, TileGradients, TileShape, Trace},
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use rayon::prelude::*;

/// Into how many segments the channels of a group are cut in the backward pass.
///
/// Each segment sums the row gradients of its channels by itself. The number is fixed, so the order of the additions is
/// too, whatever the thread count.
const SEGMENTS: usize = 8;

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

    fn tiles(&self) -> usize {
        self.length.div_ceil(TILE)
    }

    fn tile(&self, index: usize) -> (usize, TileShape) {
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
struct Parameters<S: Simd> {
    a_log2: Vec<S::f32s>,
    skip: S::f32s,
    bias: S::f32s,
    /// `[rank]`.
    weight: Vec<S::f32s>,
}

impl<S: Simd> Parameters<S> {
    #[inline(always)]
    fn load(simd: S, operands: &impl Operands, block: Block) -> Self {
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
fn gather<S: Simd>(
    simd: S,
    values: &[f32],
    rows: std::ops::Range<usize>,
    columns: usize,
    column: usize,
) -> S::f32s {
    let mut lanes = [0.0; 64];
    if !values.is_empty() {
        for (lane, row) in lanes.iter_mut().zip(rows) {
            *lane = values[row * columns + column];
        }
    }
    simd.partial_load_f32s(&lanes[..S::F32_LANES])
}

/// Operands of the current tile.
struct Buffers<S: Simd> {
    rows: Vec<f32>,
    u: Vec<S::f32s>,
    /// Step before softplus.
    x: Vec<S::f32s>,
    dt: Vec<S::f32s>,
    y: Vec<S::f32s>,
}

impl<S: Simd> Buffers<S> {
    fn new(simd: S, extent: &Extent) -> Self {
        let zeros = vec![simd.splat_f32s(0.0); TILE];
        Self { rows: vec![0.0; TILE * extent.row()], u: zeros.clone(), x: zeros.clone(), dt: zeros.clone(), y: zeros }
    }

    /// Loads `u`, expands the step and applies softplus. `rows` must be loaded.
    #[inline(always)]
    fn load(
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
    fn tile<'a>(&'a self, shape: TileShape, parameters: &'a Parameters<S>) -> Tile<'a, S> {
        Tile { shape, rows: &self.rows, u: &self.u, dt: &self.dt, a_log2: &parameters.a_log2 }
    }
}

/// One forward walk of a block along its sequence.
///
/// `emit(start, lanes, y)` receives `y` of each tile in order, flat `[steps][lanes]`; the last state is returned,
/// flat `[states][lanes]`.
pub(super) struct ForwardWalk<'a, O, E> {
    pub(super) operands: &'a O,
    pub(super) block: Block,
    pub(super) emit: E,
}

impl<O: Operands, E: FnMut(usize, usize, &[f32])> WithSimd for ForwardWalk<'_, O, E> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Vec<f32> {
        let extent = self.operands.extent();
        let parameters = Parameters::load(simd, self.operands, self.block);
        let mut buffers = Buffers::new(simd, &extent);
        let mut state = vec![simd.splat_f32s(0.0); extent.states];
        let mut y = std::mem::take(&mut buffers.y);
        for index in 0..extent.tiles() {
            let (start, shape) = extent.tile(index);
            let rows = &mut buffers.rows[..shape.steps * shape.row()];
            self.operands.load_rows(self.block.batch, self.block.group, start, rows);
            buffers.load(simd, self.operands, self.block, &parameters, start, shape.steps);
            buffers.tile(shape, &parameters).forward(simd, &mut state, &mut y);
            for step in 0..shape.steps {
                y[step] = simd.mul_add_e_f32s(parameters.skip, buffers.u[step], y[step]);
            }
            (self.emit)(start, S::F32_LANES, bytemuck::cast_slice(&y[..shape.steps]));
        }
        bytemuck::cast_slice(&state).to_vec()
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
