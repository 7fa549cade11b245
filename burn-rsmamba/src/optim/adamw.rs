#[cfg(feature = "cubecl-backend")]
use crate::layers;
#[cfg(feature = "cubecl-backend")]
use burn::optim::AdaptiveMomentumState;
use burn::{
    Tensor,
    config::Config,
    optim::{AdamW, AdamWConfig, AdamWState, LearningRate, ModuleOptimizer, Optimizer},
    tensor::Device,
};
#[cfg(feature = "cubecl-backend")]
use burn_rsmamba_kernels::gpu::layers::AdamWFactors;

/// Configuration of [`FusedAdamW`]; its defaults are those of RS-Mamba's recipe.
#[derive(Config, Debug, PartialEq)]
pub struct FusedAdamWConfig {
    /// Decay rate of the first moment.
    #[config(default = 0.9)]
    pub beta_1: f32,
    /// Decay rate of the second moment.
    #[config(default = 0.999)]
    pub beta_2: f32,
    /// Added to the root of the second moment.
    #[config(default = 1e-8)]
    pub epsilon: f32,
    /// Decay of every parameter a step, per learning rate.
    #[config(default = 1e-3)]
    pub weight_decay: f32,
}

impl FusedAdamWConfig {
    /// The optimiser for one parameter, as [`ModuleOptimizer::with_group`] takes it.
    pub fn build(&self) -> FusedAdamW {
        FusedAdamW { config: self.clone() }
    }

    /// The optimiser for a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        self.build().into()
    }

    /// Burn's, of the same settings.
    fn composed(&self) -> AdamW {
        AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay)
            .build()
    }
}

/// Burn's [`AdamW`] (Loshchilov and Hutter 2019), by one kernel a parameter on a GPU.
///
/// Composed of Burn's operations, a step over some hundred parameters is thousands of them, which the host has to pass on. On other
/// backends this is Burn's to the bit, and records of one are records of the other.
#[derive(Debug, Clone)]
pub struct FusedAdamW {
    config: FusedAdamWConfig,
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        #[cfg(feature = "cubecl-backend")]
        if is_on_gpu(&tensor, &grad, state.as_ref()) {
            let (tensor, state) = self.on_gpu(lr, tensor, grad, state);
            return (tensor, Some(state));
        }
        self.config.composed().step(lr, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}

#[cfg(feature = "cubecl-backend")]
fn is_on_gpu<const D: usize>(tensor: &Tensor<D>, grad: &Tensor<D>, state: Option<&AdamWState<D>>) -> bool {
    // Burn's refuses what has another shape, and kernels know elements alone.
    let fits = |other: &Tensor<D>| layers::is_on_gpu(other) && other.dims() == tensor.dims();
    let moments = |state: &AdamWState<D>| {
        // a record of AMSGrad's has one more, which Burn's keeps
        let momentum = &state.momentum;
        fits(&momentum.moment_1) && fits(&momentum.moment_2) && momentum.max_moment_2.is_none()
    };
    fits(tensor) && fits(grad) && state.is_none_or(moments)
}

#[cfg(feature = "cubecl-backend")]
impl FusedAdamW {
    fn on_gpu<const D: usize>(
        &self,
        learning_rate: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, AdamWState<D>) {
        let FusedAdamWConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let (time, moments) = match state.map(|state| state.momentum) {
            None => (1, None),
            Some(AdaptiveMomentumState { time, moment_1, moment_2, .. }) => {
                (time + 1, Some([moment_1, moment_2].map(Tensor::into_dispatch)))
            }
        };
        let factors = AdamWFactors { beta_1, beta_2, epsilon, learning_rate, weight_decay, time };
        let after = layers::adamw(factors, grad.into_dispatch(), tensor.into_dispatch(), moments);
        let [tensor, moment_1, moment_2] = after.map(Tensor::from_dispatch);
        (tensor, AdamWState::new(AdaptiveMomentumState::new(time, moment_1, moment_2)))
    }
}
