use super::{
    PARAMETERS, TAPS,
    layer::{Layer, Task},
    window::{Window, convolve},
};
use crate::cpu::{
    lanes::sigmoid,
    layers::bands::{Fresh, VectorsMut, vectors},
};
use pulp::{Simd, WithSimd};

/// One task of the forward pass.
pub(super) struct Forward<'a> {
    pub(super) layer: &'a Layer<'a>,
    pub(super) task: Task,
    pub(super) out: &'a Fresh<'a>,
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, task, out } = self;
        let count = task.channels.len();
        let parameters = layer.parameters(simd, task.channels.clone(), false);
        for y in task.rows.clone() {
            for x in 0..layer.shape.width {
                let window = Window::new(simd, layer.window(&task, y, x));
                let at = layer.pixel(task.sample, y, x) * layer.shape.channels + task.channels.start;
                // SAFETY: tasks differ in their rows or in their channels.
                let mut out = VectorsMut::new(simd, unsafe { out.part(at, count) });
                for index in 0..vectors::<S>(count) {
                    let weight = &parameters[index * PARAMETERS..][..PARAMETERS];
                    let z = convolve(simd, &window.at(index), weight, weight[TAPS]);
                    out.set(index, simd.mul_f32s(z, sigmoid(simd, z)));
                }
            }
        }
    }
}
