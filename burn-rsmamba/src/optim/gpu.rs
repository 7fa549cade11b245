//! All gradients of a model on a GPU, where some tensors a launch take less time than a few launches a tensor.

use super::clip::{factor, root};
use crate::layers;
use burn::{
    Tensor,
    backend::DispatchTensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::Device,
};

/// The gradients, taken out of `rest`.
pub(super) struct GpuGradients {
    tensors: Vec<(ParamId, DispatchTensor)>,
    rest: GradientsParams,
}

impl GpuGradients {
    /// The gradients of a model where all are f32 on one GPU; otherwise gives them back.
    pub(super) fn take(model: &impl Module, grads: GradientsParams) -> Result<Self, GradientsParams> {
        let mut asked = Asked { grads: &grads, gpu: None, elsewhere: false };
        model.visit(&mut asked);
        if asked.elsewhere || asked.gpu.is_none() {
            return Err(grads);
        }
        let mut taken = Self { tensors: Vec::new(), rest: grads };
        model.visit(&mut taken);
        Ok(taken)
    }

    /// See [`clip_grad_norm`](super::clip_grad_norm).
    pub(super) fn clipped(mut self, model: &impl Module, max_norm: f64) -> (GradientsParams, f64) {
        let norm = root(layers::square_sums(self.tensors.iter().map(|(_, tensor)| tensor.clone()).collect()));
        if let Some(factor) = factor(norm, max_norm) {
            let (ids, tensors): (Vec<_>, Vec<_>) = self.tensors.into_iter().unzip();
            self.tensors = ids.into_iter().zip(layers::scaled(tensors, factor as f32)).collect();
        }
        let mut back = PutBack { tensors: self.tensors.into_iter().peekable(), grads: self.rest };
        model.visit(&mut back);
        (back.grads, norm)
    }
}

impl ModuleVisitor for GpuGradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.rest.remove::<D>(param.id) {
            self.tensors.push((param.id, grad.into_dispatch()));
        }
    }
}

struct Asked<'a> {
    grads: &'a GradientsParams,
    /// Where the first gradient is.
    gpu: Option<Device>,
    /// Whether another is somewhere else, or the first is on no GPU.
    elsewhere: bool,
}

impl ModuleVisitor for Asked<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.get::<D>(param.id) else { return };
        let device = grad.device();
        self.elsewhere |= !layers::is_on_gpu(&grad) || self.gpu.as_ref().is_some_and(|first| *first != device);
        self.gpu.get_or_insert(device);
    }
}

/// Gradients in the order of the model's parameters, those without one left out.
struct PutBack {
    tensors: std::iter::Peekable<std::vec::IntoIter<(ParamId, DispatchTensor)>>,
    grads: GradientsParams,
}

impl ModuleVisitor for PutBack {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some((id, grad)) = self.tensors.next_if(|(id, _)| *id == param.id) {
            self.grads.register::<D>(id, Tensor::from_dispatch(grad));
        }
    }
}
