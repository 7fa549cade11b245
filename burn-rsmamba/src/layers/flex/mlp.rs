use super::{
    node::{FlexLayer, Kept, Operands, Wanted},
    norm::affine,
};
use crate::layers::mlp::Mlp;
use burn_rsmamba_kernels::cpu::branches::{self, MlpGradients, MlpInputs};
use std::sync::Arc;

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

impl FlexLayer for Mlp {
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
