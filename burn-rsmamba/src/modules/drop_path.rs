use burn::{
    Tensor,
    module::Module,
    tensor::{Device, Distribution},
};

/// Stochastic depth (arXiv 1603.09382): in training, drops a residual branch for a whole sample and scales the kept ones up.
#[derive(Module, Debug)]
pub struct DropPath {
    /// Probability of dropping, as timm's `drop_prob`.
    pub probability: f64,
}

impl DropPath {
    /// The factors `[B]` of the samples' branches: zero for the dropped ones; `None` outside an autodiff device, where every
    /// sample counts as it is.
    pub fn factors(&self, batch: usize, device: &Device) -> Option<Tensor<1>> {
        if self.probability == 0.0 || !device.is_autodiff() {
            return None;
        }
        let keep = 1.0 - self.probability;
        Some(Tensor::random([batch], Distribution::Bernoulli(keep), device) / keep)
    }
}
