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
    let mut squares = Squares { grads: &grads, sums: Vec::new() };
    model.visit(&mut squares);
    let norm = squares.norm();
    // PyTorch adds 1e-6 to the norm
    let scale = max_norm / (norm + 1e-6);
    if !norm.is_finite() || scale >= 1.0 {
        return (grads, norm);
    }
    let mut scaler = Scale { grads, scale };
    model.visit(&mut scaler);
    (scaler.grads, norm)
}

/// Elements from which a gradient is added up row by row first.
const LARGE: usize = 1 << 22;

struct Squares<'a> {
    grads: &'a GradientsParams,
    /// Of each gradient the sum of its squares, `[1]`.
    sums: Vec<Tensor<1>>,
}

impl Squares<'_> {
    /// Read from the device in one piece: it works while the host goes on, and waiting for each would take longer than they do.
    fn norm(self) -> f64 {
        if self.sums.is_empty() {
            return 0.0;
        }
        let sums = Tensor::cat(self.sums, 0).into_data();
        sums.iter::<f32>().map(f64::from).sum::<f64>().sqrt()
    }
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let squares = grad.clone() * grad;
            let (size, rows) = (squares.shape().num_elements(), squares.dims()[0]);
            // One sum of so many on Flex adds in an order that depends on the threads; rows are added by one each, and there are few.
            let squares =
                if size < LARGE { squares.sum() } else { squares.reshape([rows, size / rows]).sum_dim(1).sum() };
            self.sums.push(squares);
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
