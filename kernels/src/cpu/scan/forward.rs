//! The forward walk.

use super::{
    TILE,
    block::{Block, Buffers, Operands, Parameters},
    checkpoints::Recorder,
};
use crate::cpu::{
    memory::{Aligned, Lines},
    shared::SharedSlice,
};
use pulp::{Simd, WithSimd, bytemuck};

/// Values of a map that the second-level cache does not hold: from here on the walk asks for the next tile ahead of time.
pub(super) const FAR: usize = 1 << 18;

/// One forward walk of some neighbouring blocks along their sequence, which leaves `y` in `out`.
///
/// The blocks go tile by tile together: they share the rows, and their channels the cache lines of the map. Their last
/// states are returned, flat `[states][lanes]` each; with `checkpoints`, the states before each tile stay there.
pub(super) struct ForwardWalk<'a, O> {
    pub(super) operands: &'a O,
    pub(super) blocks: Vec<Block>,
    pub(super) out: SharedSlice<'a>,
    /// Whether `out` holds values to add to.
    pub(super) add: bool,
    pub(super) checkpoints: Option<&'a Recorder<'a>>,
}

impl<O: Operands> WithSimd for ForwardWalk<'_, O> {
    type Output = Vec<Vec<f32>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { operands, blocks, out, add, checkpoints } = self;
        let extent = operands.extent();
        let mut buffers = Buffers::new(simd, &extent);
        let mut parameters = Vec::with_capacity(blocks.len());
        for &block in &blocks {
            parameters.push(Parameters::load(simd, operands, block));
        }
        let mut states: Vec<Lines<S::f32s>> = blocks.iter().map(|_| Lines::zeros(extent.states)).collect();
        let mut y = Aligned([simd.splat_f32s(0.0); TILE]);
        let y = &mut y.0;
        let slices = [operands.u().as_ptr(), out.address()];
        let far = extent.length * extent.channels >= FAR;
        for index in 0..extent.tiles() {
            let (start, steps) = extent.tile(index);
            let mut rows = [&[][..]; TILE];
            let rows = &mut rows[..steps];
            operands.load_rows(blocks[0], start, &mut buffers.rows, rows);
            if far {
                let next = start + steps;
                operands.prefetch(&blocks, next..extent.length.min(next + TILE), &slices);
            }
            for ((&block, parameters), state) in blocks.iter().zip(&parameters).zip(&mut states) {
                if let Some(checkpoints) = checkpoints {
                    // SAFETY: blocks are handed out to walks, each to one.
                    unsafe { checkpoints.write(block, index, bytemuck::cast_slice(state)) };
                }
                let tile = buffers.lanes.load::<false>(simd, operands, block, parameters, start, rows);
                for step in 0..steps {
                    y[step] = simd.mul_f32s(parameters.skip, tile.u[step]);
                }
                tile.forward::<true>(simd, state, y);
                operands.store(simd, block, start, &y[..steps], out, add);
            }
        }
        states.iter().map(|state| bytemuck::cast_slice(state).to_vec()).collect()
    }
}
