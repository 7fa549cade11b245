use super::node::{FlexLayer, Kept, Operands, Wanted};
use crate::layers::fuse::Fuse;
use burn_rsmamba_kernels::cpu::layers::{self, FuseShape};

fn shape(operands: &Operands) -> FuseShape {
    let [_, first_height, _, first_channels] = operands.dims(0);
    let [batch, height, width, second_channels] = operands.dims(1);
    let [out_channels, ..] = operands.dims::<4>(2);
    let doubled = first_height < height;
    FuseShape { batch, height, width, first_channels, second_channels, out_channels, doubled }
}

impl FlexLayer for Fuse {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let shape = shape(operands);
        let y = layers::fuse(shape, operands.values(0), operands.values(1), operands.values(2));
        (vec![shape.batch, shape.height, shape.width, shape.out_channels], y, None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        let [first, second, weight] = [0, 1, 2].map(|index| operands.values(index));
        layers::fuse_backward(shape(operands), first, second, weight, dy).map(Some).into()
    }
}
