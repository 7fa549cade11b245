use super::call::{expect_channels, operand, run};
use burn::Tensor;
use burn_rsmamba_kernels::cpu::layers::ConvShape;

/// Convolution of `[B, H, W, in]` with a square kernel `[out, in, k, k]` and `k / 2` zeros around: `[B, H', W', out]`.
pub(crate) fn conv2d(x: &Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>, stride: usize) -> Tensor<4> {
    expect_channels("convolution", x.dims()[3], weight.dims()[1]);
    run(Conv2d { stride }, x, [operand(x), operand(weight), bias.and_then(operand)])
}

/// Operands: map, weight, perhaps bias.
#[derive(Debug)]
pub(super) struct Conv2d {
    pub(super) stride: usize,
}

impl Conv2d {
    /// Of a map `[B, H, W, in]` and a weight `[out, in, k, k]`.
    pub(super) fn shape(&self, x: [usize; 4], weight: [usize; 4]) -> ConvShape {
        let ([batch, height, width, in_channels], [out_channels, _, kernel, _]) = (x, weight);
        let (stride, padding) = (self.stride, kernel / 2);
        ConvShape { batch, height, width, in_channels, out_channels, kernel, stride, padding }
    }
}
