use super::{
    Norm,
    call::{expect_channels, operand, run},
};
use burn::Tensor;

/// Parameters of the MLP branch: C channels, E hidden ones.
pub(crate) struct MlpParameters {
    pub(crate) norm: Norm,
    /// `[C, E]`.
    pub(crate) weight1: Tensor<2>,
    /// `[E]`.
    pub(crate) bias1: Tensor<1>,
    /// `[E, C]`.
    pub(crate) weight2: Tensor<2>,
    /// `[C]`.
    pub(crate) bias2: Tensor<1>,
}

/// `x + scale (GELU(LN(x) W1 + b1) W2 + b2)`, `[B, H, W, C]`; `scale` is a factor a sample.
pub(crate) fn mlp(x: &Tensor<4>, scale: Option<Tensor<1>>, parameters: &MlpParameters) -> Tensor<4> {
    let MlpParameters { norm, weight1, bias1, weight2, bias2 } = parameters;
    expect_channels("MLP branch", x.dims()[3], weight1.dims()[0]);
    let operands = [
        operand(x),
        scale.as_ref().and_then(operand),
        operand(&norm.scale),
        operand(&norm.shift),
        operand(weight1),
        operand(bias1),
        operand(weight2),
        operand(bias2),
    ];
    run(Mlp { epsilon: norm.epsilon }, x, operands)
}

/// Operands: map, perhaps factors of samples, scale and shift, two weights and biases.
#[derive(Debug)]
pub(super) struct Mlp {
    pub(super) epsilon: f32,
}
