//! What the recipe needs beside Burn's optimisers.

use crate::models::RsmModel;
use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
};

/// Scales all gradients so that their one global norm is at most `max_norm`; also returns the norm before.
///
/// Burn's own clipping treats each tensor by itself; the recipe clips one norm over all parameters, as PyTorch's
/// `clip_grad_norm_` does. A norm that is not finite leaves the gradients as they are.
pub fn clip_grad_norm(model: &RsmModel, grads: GradientsParams, max_norm: f64) -> (GradientsParams, f64) {
    let mut squares = SumOfSquares { grads: &grads, sum: 0.0 };
    model.visit(&mut squares);
    let norm = squares.sum.sqrt();
    // PyTorch adds 1e-6 to the norm
    let scale = max_norm / (norm + 1e-6);
    if !norm.is_finite() || scale >= 1.0 {
        return (grads, norm);
    }
    let mut scaler = Scale { grads, scale };
    model.visit(&mut scaler);
    (scaler.grads, norm)
}

struct SumOfSquares<'a> {
    grads: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let square: f32 = (grad.clone() * grad).sum().into_scalar();
            self.sum += f64::from(square);
        }
    }
}

struct Scale {
    grads: GradientsParams,
    scale: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register::<D>(param.id, grad * self.scale);
        }
    }
}
