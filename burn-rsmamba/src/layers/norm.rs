use super::call::{expect_channels, operand, run};
use burn::Tensor;

/// Scale and shift of a normalisation, `[C]` each.
pub(crate) struct Norm {
    pub(crate) scale: Tensor<1>,
    pub(crate) shift: Tensor<1>,
    pub(crate) epsilon: f32,
}

/// Layer normalisation of `[B, H, W, C]` over its channels, then GELU where `gelu`.
pub(crate) fn layer_norm(x: &Tensor<4>, norm: &Norm, gelu: bool) -> Tensor<4> {
    expect_channels("layer normalisation", x.dims()[3], norm.scale.dims()[0]);
    let layer = LayerNorm { epsilon: norm.epsilon, gelu };
    run(layer, x, [operand(x), operand(&norm.scale), operand(&norm.shift)])
}

/// Operands: map, scale, shift.
#[derive(Debug)]
pub(super) struct LayerNorm {
    pub(super) epsilon: f32,
    pub(super) gelu: bool,
}

/// Mean and biased variance of the channels of `[B, H, W, C]`, outside any graph.
pub(crate) fn batch_statistics(x: &Tensor<4>) -> (Tensor<1>, Tensor<1>) {
    let both: Tensor<2> = run(BatchStatistics, x, [operand(&x.clone().inner())]);
    (both.clone().narrow(0, 0, 1).squeeze_dim(0), both.narrow(0, 1, 1).squeeze_dim(0))
}

/// Operand: the map. Has no backward pass.
#[derive(Debug)]
pub(super) struct BatchStatistics;

/// Batch normalisation of `[B, H, W, C]` by the given mean and variance, then `ReLU`.
///
/// The backward pass takes the statistics for those of `x` itself: gradients go through them.
pub(crate) fn batch_norm_relu(x: &Tensor<4>, mean: &Tensor<1>, variance: &Tensor<1>, norm: &Norm) -> Tensor<4> {
    expect_channels("batch normalisation", x.dims()[3], norm.scale.dims()[0]);
    let operands = [operand(x), operand(mean), operand(variance), operand(&norm.scale), operand(&norm.shift)];
    run(BatchNormRelu { epsilon: norm.epsilon }, x, operands)
}

/// Operands: map, mean, variance, scale, shift.
#[derive(Debug)]
pub(super) struct BatchNormRelu {
    pub(super) epsilon: f32,
}
