use super::node::{FlexLayer, Kept, Operands, Wanted};
use crate::layers::upsample::Bilinear2x;
use burn_rsmamba_kernels::cpu::layers::{self, MapShape};

fn shape(operands: &Operands) -> MapShape {
    let [batch, height, width, channels] = operands.dims(0);
    MapShape { batch, height, width, channels }
}

impl FlexLayer for Bilinear2x {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let shape = shape(operands);
        let y = layers::upsample_bilinear2x(shape, operands.values(0));
        (vec![shape.batch, 2 * shape.height, 2 * shape.width, shape.channels], y, None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        vec![Some(layers::upsample_bilinear2x_backward(shape(operands), dy))]
    }
}
