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
    let mut all = Flat { grads: &grads, found: Vec::new(), rows: Vec::new() };
    model.visit(&mut all);
    let norm = all.norm();
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

/// The values of all gradients, and the size of each one's first dimension.
struct Flat<'a> {
    grads: &'a GradientsParams,
    found: Vec<Tensor<1>>,
    rows: Vec<usize>,
}

impl ModuleVisitor for Flat<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.rows.push(grad.dims()[0]);
            self.found.push(grad.reshape([-1]));
        }
    }
}

impl Flat<'_> {
    /// Read from the device in one piece: it works while the host goes on, and waiting for each would take longer than they do.
    fn norm(self) -> f64 {
        if self.found.is_empty() {
            return 0.0;
        }
        #[cfg(feature = "cubecl-backend")]
        if let Some(sums) = crate::layers::square_sums(&self.found) {
            return root(sums);
        }
        root(Tensor::cat(self.found.into_iter().zip(self.rows).map(|(grad, rows)| square_sum(grad, rows)).collect(), 0))
    }
}

/// The square root of the sum.
fn root(sums: Tensor<1>) -> f64 {
    sums.into_data().iter::<f32>().map(f64::from).sum::<f64>().sqrt()
}

/// The sum of the squares, `[1]`.
fn square_sum(grad: Tensor<1>, rows: usize) -> Tensor<1> {
    let squares = grad.clone() * grad;
    let [size] = squares.dims();
    // One sum of so many on Flex adds in an order that depends on the threads; rows are added by one each, and there are few.
    if size < LARGE { squares.sum() } else { squares.reshape([rows, size / rows]).sum_dim(1).sum() }
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
