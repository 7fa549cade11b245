use super::{
    Norm,
    call::{expect_channels, operand, run},
};
use crate::Directions;
use burn::Tensor;

/// Parameters of the scan branch; shapes as in [`Ossm`](crate::modules::Ossm).
pub(crate) struct OssmParameters {
    pub(crate) norm: Norm,
    /// `[C, 2 D]`.
    pub(crate) in_proj: Tensor<2>,
    /// `[D, 1, 3, 3]`.
    pub(crate) conv_weight: Tensor<4>,
    /// `[D]`.
    pub(crate) conv_bias: Tensor<1>,
    /// `[K, R + 2 N, D]`.
    pub(crate) x_proj: Tensor<3>,
    /// `[K, D, R]`.
    pub(crate) dt_weight: Tensor<3>,
    /// `[K, D]`.
    pub(crate) dt_bias: Tensor<2>,
    /// `[K * D, N]`.
    pub(crate) a_logs: Tensor<2>,
    /// `[K * D]`.
    pub(crate) skip: Tensor<1>,
    pub(crate) out_norm: Norm,
    /// `[D, C]`.
    pub(crate) out_proj: Tensor<2>,
    pub(crate) directions: Directions,
}

/// `x + scale OSSM(LN(x))`, `[B, H, W, C]`; `scale` is a factor a sample.
pub(crate) fn ossm(x: &Tensor<4>, scale: Option<Tensor<1>>, parameters: &OssmParameters) -> Tensor<4> {
    let p = parameters;
    expect_channels("scan branch", x.dims()[3], p.in_proj.dims()[0]);
    let operands = [
        operand(x),
        scale.as_ref().and_then(operand),
        operand(&p.norm.scale),
        operand(&p.norm.shift),
        operand(&p.in_proj),
        operand(&p.conv_weight),
        operand(&p.conv_bias),
        operand(&p.x_proj),
        operand(&p.dt_weight),
        operand(&p.dt_bias),
        operand(&p.a_logs),
        operand(&p.skip),
        operand(&p.out_norm.scale),
        operand(&p.out_norm.shift),
        operand(&p.out_proj),
    ];
    let layer = Ossm {
        norm_epsilon: p.norm.epsilon,
        out_norm_epsilon: p.out_norm.epsilon,
        states: p.a_logs.dims()[1],
        directions: p.directions,
    };
    run(layer, x, operands)
}

/// Operands: map, perhaps factors of samples, and the parameters in their order.
#[derive(Debug)]
pub(super) struct Ossm {
    pub(super) norm_epsilon: f32,
    pub(super) out_norm_epsilon: f32,
    pub(super) states: usize,
    pub(super) directions: Directions,
}
