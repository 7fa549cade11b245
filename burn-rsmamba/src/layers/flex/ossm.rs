use super::{
    node::{FlexLayer, Kept, Operands, Wanted},
    norm::affine,
};
use crate::layers::ossm::Ossm;
use burn_rsmamba_kernels::cpu::branches::{self, OssmGradients, OssmInputs, OssmKept, OssmShape};
use std::sync::Arc;

impl Ossm {
    fn shape(&self, operands: &Operands) -> OssmShape {
        let [batch, height, width, channels] = operands.dims(0);
        let [_, inner, rank] = operands.dims(8);
        let (states, directions) = (self.states, self.directions);
        OssmShape { batch, height, width, channels, inner, states, rank, directions }
    }

    fn inputs<'a>(&self, operands: &'a Operands) -> OssmInputs<'a> {
        OssmInputs {
            x: operands.values(0),
            scale: operands.optional(1),
            norm: affine(operands, 2, self.norm_epsilon),
            in_proj: operands.values(4),
            conv_weight: operands.values(5),
            conv_bias: operands.values(6),
            x_proj: operands.values(7),
            dt_weight: operands.values(8),
            dt_bias: operands.values(9),
            a_logs: operands.values(10),
            skip: operands.values(11),
            out_norm: affine(operands, 12, self.out_norm_epsilon),
            out_proj: operands.values(14),
        }
    }
}

impl FlexLayer for Ossm {
    fn forward(&self, operands: &Operands, keep: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let (y, kept) = branches::ossm(self.shape(operands), &self.inputs(operands), keep);
        (operands.dims::<4>(0).to_vec(), y, kept.map(|kept| Arc::new(kept) as Kept))
    }

    fn backward(&self, operands: &Operands, kept: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        let kept = kept.expect("kept by the forward pass");
        let kept = kept.downcast_ref::<OssmKept>().expect("what the scan branch keeps");
        let g: OssmGradients = branches::ossm_backward(self.shape(operands), &self.inputs(operands), kept, dy);
        let all = [
            g.norm_scale,
            g.norm_shift,
            g.in_proj,
            g.conv_weight,
            g.conv_bias,
            g.x_proj,
            g.dt_weight,
            g.dt_bias,
            g.a_logs,
            g.skip,
            g.out_norm_scale,
            g.out_norm_shift,
            g.out_proj,
        ];
        [Some(g.x), None].into_iter().chain(all.map(Some)).collect()
    }
}
