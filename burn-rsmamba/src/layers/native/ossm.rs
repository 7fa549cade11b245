use super::node::{Kept, NativeLayer, Operands, Wanted, operand, run};
use super::norm::{Norm, affine};
use crate::Directions;
use burn::Tensor;
use burn_rsmamba_kernels::cpu::branches::{self, OssmGradients, OssmInputs, OssmKept, OssmShape};
use std::sync::Arc;

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
    run(layer, operands)
}

#[derive(Debug)]
struct Ossm {
    norm_epsilon: f32,
    out_norm_epsilon: f32,
    states: usize,
    directions: Directions,
}

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

impl NativeLayer for Ossm {
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
