use burn::{
    Tensor,
    module::Module,
    tensor::{Distribution, Shape},
};

/// Stochastic depth (arXiv 1603.09382): in training, drops a residual branch for a whole sample and scales the kept ones up.
#[derive(Module, Debug)]
pub struct DropPath {
    /// Probability of dropping.
    pub probability: f64,
}

impl DropPath {
    /// Drops samples of `[B, ...]` with the configured probability on an autodiff device, passes on elsewhere.
    pub fn forward<const D: usize>(&self, branch: Tensor<D>) -> Tensor<D> {
        let device = branch.device();
        if self.probability == 0.0 || !device.is_autodiff() {
            return branch;
        }
        let keep = 1.0 - self.probability;
        let mut sizes = [1; D];
        sizes[0] = branch.dims()[0];
        let kept = Tensor::<D>::random(Shape::new(sizes), Distribution::Bernoulli(keep), &device);
        branch * (kept / keep)
    }
}
