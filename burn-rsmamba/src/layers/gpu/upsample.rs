use super::{
    maps::{Operands, gradients},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::upsample::Bilinear2x;
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use burn_rsmamba_kernels::gpu::layers;

impl GpuLayer for Bilinear2x {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        let [batch, height, width, channels] = operands[0].as_ref().expect("the map").dims();
        vec![Shape::from([batch, 2 * height, 2 * width, channels])]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let [batch, height, width, channels] = operands.dims(0);
        let y = operands.launched(layers::upsample_bilinear2x(operands.client(), &operands.map(0)));
        vec![operands.tensor(y, [batch, 2 * height, 2 * width, channels])]
    }

    fn backward(&self, operands: &Operands, _: &[CubeTensor], dy: CubeTensor, _: &[bool; SLOTS]) -> Slots<CubeTensor> {
        let dx = layers::upsample_bilinear2x_backward(operands.client(), &operands.map(0), &dy.handle);
        gradients([Some(operands.like(0, operands.launched(dx)))])
    }
}
