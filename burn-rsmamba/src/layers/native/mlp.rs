use super::node::{Kept, NativeLayer, Operands, Wanted, operand, run};
use super::norm::{Norm, affine};
use burn::Tensor;
use burn_rsmamba_kernels::cpu::branches::{self, MlpGradients, MlpInputs};
use std::sync::Arc;

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
    run(Mlp { epsilon: norm.epsilon }, operands)
}

#[derive(Debug)]
struct Mlp {
    epsilon: f32,
}

impl Mlp {
    fn inputs<'a>(&self, operands: &'a Operands) -> MlpInputs<'a> {
        MlpInputs {
            x: operands.values(0),
            scale: operands.optional(1),
            norm: affine(operands, 2, self.epsilon),
            weight1: operands.values(4),
            bias1: operands.values(5),
            weight2: operands.values(6),
            bias2: operands.values(7),
        }
    }
}

impl NativeLayer for Mlp {
    fn forward(&self, operands: &Operands, keep: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let (y, hidden) = branches::mlp(&self.inputs(operands), keep);
        (operands.dims::<4>(0).to_vec(), y, hidden.map(|hidden| Arc::new(hidden) as Kept))
    }

    fn backward(&self, operands: &Operands, kept: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        let kept = kept.expect("kept by the forward pass");
        let hidden = kept.downcast_ref::<Vec<f32>>().expect("the hidden layer");
        let MlpGradients { x, norm_scale, norm_shift, weight1, bias1, weight2, bias2 } =
            branches::mlp_backward(&self.inputs(operands), hidden, dy);
        let all = [norm_scale, norm_shift, weight1, bias1, weight2, bias2];
        [Some(x), None].into_iter().chain(all.map(Some)).collect()
    }
}
