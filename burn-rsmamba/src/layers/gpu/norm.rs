use super::{
    maps::{Operands, gradients},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::norm::{BatchNormRelu, BatchStatistics, LayerNorm};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use burn_rsmamba_kernels::gpu::layers;

#[cfg_attr(not(feature = "fusion"), expect(dead_code, reason = "operator fusion alone asks for shapes"))]
fn like_first(operands: &Slots<Shape>) -> Vec<Shape> {
    operands[..1].iter().flatten().cloned().collect()
}

impl GpuLayer for LayerNorm {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        like_first(operands)
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let (x, affine) = (operands.rows(0), operands.affine(1, self.epsilon));
        let y = operands.launched(layers::layer_norm(operands.client(), &x, &affine, self.gelu));
        vec![operands.like(0, y)]
    }

    fn backward(&self, operands: &Operands, _: &[CubeTensor], dy: CubeTensor, _: &[bool; SLOTS]) -> Slots<CubeTensor> {
        let (x, affine) = (operands.rows(0), operands.affine(1, self.epsilon));
        let found = layers::layer_norm_backward(operands.client(), &x, &affine, self.gelu, &dy.handle, None);
        let found = operands.launched(found);
        gradients([
            Some(operands.like(0, found.x)),
            Some(operands.like(1, found.scale)),
            Some(operands.like(2, found.shift)),
        ])
    }
}

impl GpuLayer for BatchStatistics {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        let [.., channels] = operands[0].as_ref().expect("the map").dims::<4>();
        vec![Shape::from([2, channels])]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let x = operands.rows(0);
        let both = operands.launched(layers::batch_statistics(operands.client(), &x));
        vec![operands.tensor(both, [2, x.columns])]
    }
}

impl GpuLayer for BatchNormRelu {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        like_first(operands)
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let x = operands.rows(0);
        let statistics = [operands.handle(1), operands.handle(2)];
        let statistics = statistics.each_ref();
        let affine = operands.affine(3, self.epsilon);
        let y = layers::batch_norm_relu(operands.client(), [x.rows, x.columns], &x.handle, statistics, &affine);
        vec![operands.like(0, operands.launched(y))]
    }

    fn backward(&self, operands: &Operands, _: &[CubeTensor], dy: CubeTensor, _: &[bool; SLOTS]) -> Slots<CubeTensor> {
        let x = operands.rows(0);
        let (shape, statistics) = ([x.rows, x.columns], [operands.handle(1), operands.handle(2)]);
        let statistics = statistics.each_ref();
        let affine = operands.affine(3, self.epsilon);
        let found =
            layers::batch_norm_relu_backward(operands.client(), shape, &x.handle, statistics, &affine, &dy.handle);
        let found = operands.launched(found);
        gradients([
            Some(operands.like(0, found.x)),
            None,
            None,
            Some(operands.like(3, found.scale)),
            Some(operands.like(4, found.shift)),
        ])
    }
}
