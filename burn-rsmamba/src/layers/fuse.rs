use super::call::{expect_channels, operand, run};
use burn::Tensor;

/// The 1×1 convolution `[out, C1 + C2, 1, 1]` of two maps put together, `[B, H, W, C1]` and `[B, H, W, C2]`.
///
/// Where the first map has half the size of the second, each of its pixels counts for four (nearest upsampling).
pub(crate) fn fuse(first: &Tensor<4>, second: &Tensor<4>, weight: &Tensor<4>) -> Tensor<4> {
    expect_channels("fusion of two maps", first.dims()[3] + second.dims()[3], weight.dims()[1]);
    run(Fuse, second, [operand(first), operand(second), operand(weight)])
}

/// Operands: both maps, weight.
#[derive(Debug)]
pub(super) struct Fuse;
