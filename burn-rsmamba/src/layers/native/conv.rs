use super::node::{Kept, NativeLayer, Operands, Wanted, operand, run};
use burn::Tensor;
use burn_rsmamba_kernels::cpu::layers::{self, ConvNeeds, ConvShape};

/// Convolution of `[B, H, W, in]` with a square kernel `[out, in, k, k]` and `k / 2` zeros around: `[B, H', W', out]`.
pub(crate) fn conv2d(x: &Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>, stride: usize) -> Tensor<4> {
    run(Conv2d { stride }, [operand(x), operand(weight), bias.and_then(operand)])
}

#[derive(Debug)]
struct Conv2d {
    stride: usize,
}

impl Conv2d {
    fn shape(&self, operands: &Operands) -> ConvShape {
        let [batch, height, width, in_channels] = operands.dims(0);
        let [out_channels, _, kernel, _] = operands.dims(1);
        let (stride, padding) = (self.stride, kernel / 2);
        ConvShape { batch, height, width, in_channels, out_channels, kernel, stride, padding }
    }
}

impl NativeLayer for Conv2d {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let shape = self.shape(operands);
        let y = layers::conv2d(shape, operands.values(0), operands.values(1), operands.optional(2));
        (vec![shape.batch, shape.out_height(), shape.out_width(), shape.out_channels], y, None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], wanted: &Wanted) -> Vec<Option<Vec<f32>>> {
        let needs = ConvNeeds { x: wanted[0], weight: wanted[1], bias: wanted[2] && operands.optional(2).is_some() };
        let found = layers::conv2d_backward(self.shape(operands), operands.values(0), operands.values(1), dy, needs);
        vec![found.x, found.weight, found.bias]
    }
}
