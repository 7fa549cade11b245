//! The forward walk.

use super::block::{Block, Buffers, Operands, Parameters};
use pulp::{Simd, WithSimd, bytemuck};

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
