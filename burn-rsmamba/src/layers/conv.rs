use super::call::{operand, run};
use burn::Tensor;

/// Convolution of `[B, H, W, in]` with a square kernel `[out, in, k, k]` and `k / 2` zeros around: `[B, H', W', out]`.
pub(crate) fn conv2d(x: &Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>, stride: usize) -> Tensor<4> {
    run(Conv2d { stride }, x, [operand(x), operand(weight), bias.and_then(operand)])
}

/// Operands: map, weight, perhaps bias.
#[derive(Debug)]
pub(super) struct Conv2d {
    pub(super) stride: usize,
}
