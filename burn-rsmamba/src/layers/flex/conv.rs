use super::node::{FlexLayer, Kept, Operands, Wanted};
use crate::layers::conv::Conv2d;
use burn_rsmamba_kernels::cpu::layers::{self, ConvNeeds};

impl FlexLayer for Conv2d {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let shape = self.shape(operands.dims(0), operands.dims(1));
        let y = layers::conv2d(shape, operands.values(0), operands.values(1), operands.optional(2));
        (vec![shape.batch, shape.out_height(), shape.out_width(), shape.out_channels], y, None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], wanted: &Wanted) -> Vec<Option<Vec<f32>>> {
        let needs = ConvNeeds { x: wanted[0], weight: wanted[1], bias: wanted[2] && operands.optional(2).is_some() };
        let found = layers::conv2d_backward(
            self.shape(operands.dims(0), operands.dims(1)),
            operands.values(0),
            operands.values(1),
            dy,
            needs,
        );
        vec![found.x, found.weight, found.bias]
    }
}
