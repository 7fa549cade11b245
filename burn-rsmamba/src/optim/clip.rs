#[cfg(feature = "cubecl-backend")]
use super::gpu::GpuGradients;
use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
};
use std::collections::HashSet;

/// Scales all gradients so that their one global norm is at most `max_norm`; also returns the norm before.
///
/// Burn's own clipping treats each tensor by itself; the recipe clips one norm over all parameters, as PyTorch's
/// `clip_grad_norm_` does. A norm that is not finite leaves the gradients as they are.
pub fn clip_grad_norm(model: &impl Module, grads: GradientsParams, max_norm: f64) -> (GradientsParams, f64) {
    #[cfg(feature = "cubecl-backend")]
    let grads = match GpuGradients::take(model, grads) {
        Ok(all) => return all.clipped(model, max_norm),
        Err(grads) => grads,
    };
    let mut squares = SquareSums { grads: &grads, seen: HashSet::new(), sums: Vec::new() };
    model.visit(&mut squares);
    // The device works while the host goes on; waiting for each sum would take longer than they do.
    let norm = if squares.sums.is_empty() { 0.0 } else { root(Tensor::cat(squares.sums, 0)) };
    let Some(factor) = factor(norm, max_norm) else { return (grads, norm) };
    let mut scaler = Scale { grads, seen: HashSet::new(), factor };
    model.visit(&mut scaler);
    (scaler.grads, norm)
}

/// What gradients of that norm are to be multiplied by, where anything.
pub(super) fn factor(norm: f64, max_norm: f64) -> Option<f64> {
    // PyTorch adds 1e-6 to the norm
    let factor = max_norm / (norm + 1e-6);
    (norm.is_finite() && factor < 1.0).then_some(factor)
}

/// The square root of the sum.
pub(super) fn root(sums: Tensor<1>) -> f64 {
    sums.into_data().iter::<f32>().map(f64::from).sum::<f64>().sqrt()
}

/// Elements from which a gradient is added up row by row first.
const LARGE: usize = 1 << 22;

/// The sum of the squares of every gradient, `[1]`.
struct SquareSums<'a> {
    grads: &'a GradientsParams,
    /// A parameter that a module holds twice is one.
    seen: HashSet<ParamId>,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SquareSums<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        let Some(grad) = self.grads.get::<D>(param.id) else { return };
        let rows = grad.dims()[0];
        let grad: Tensor<1> = grad.reshape([-1]);
        let squares = grad.clone() * grad;
        let [size] = squares.dims();
        // One sum of so many on Flex adds in an order that depends on the threads; rows are added by one each, and there are few.
        self.sums.push(if size < LARGE {
            squares.sum()
        } else {
            squares.reshape([rows, size / rows]).sum_dim(1).sum()
        });
    }
}

struct Scale {
    grads: GradientsParams,
    seen: HashSet<ParamId>,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register::<D>(param.id, grad * self.factor);
        }
    }
}
