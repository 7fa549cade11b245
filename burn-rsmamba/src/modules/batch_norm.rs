#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use crate::layers::{self, Norm};
use burn::{
    Tensor,
    config::Config,
    module::{Initializer, Module, Param, RunningState},
    tensor::{
        Device,
        module::{batch_norm, batch_norm_train},
    },
};

/// Configuration of [`BatchNorm2d`].
#[derive(Config, Debug)]
pub struct BatchNorm2dConfig {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Weight of the newest batch in the running statistics, as PyTorch's and Burn's.
    #[config(default = 0.1)]
    pub momentum: f64,
}

/// Batch normalisation with PyTorch's running statistics.
///
/// Burn's own layer keeps the *biased* batch variance; PyTorch keeps the unbiased one, n / (n - 1) larger, and official
/// weights and training curves follow it.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    /// Scale, `[C]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[C]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean, `[C]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running unbiased variance, `[C]`.
    pub running_var: RunningState<Tensor<1>>,
    momentum: f64,
    epsilon: f64,
}

impl BatchNorm2dConfig {
    /// A layer with scale 1 and shift 0.
    pub fn init(&self, device: &Device) -> BatchNorm2d {
        BatchNorm2d {
            weight: Initializer::Ones.init([self.channels], device),
            bias: Initializer::Zeros.init([self.channels], device),
            running_mean: RunningState::new(Tensor::zeros([self.channels], device)),
            running_var: RunningState::new(Tensor::ones([self.channels], device)),
            momentum: self.momentum,
            epsilon: self.epsilon,
        }
    }
}

impl BatchNorm2d {
    /// Normalises `[B, C, H, W]`: by the batch's statistics on an autodiff device, by the running ones elsewhere.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let device = input.device();
        if !device.is_autodiff() {
            let mean = self.running_mean.value().to_device(&device);
            let var = self.running_var.value().to_device(&device);
            return batch_norm(input, self.weight.val(), self.bias.val(), mean, var, self.epsilon);
        }
        let [batch, _, height, width] = input.dims();
        let result = batch_norm_train(input, self.weight.val(), self.bias.val(), self.epsilon);
        self.observe(result.mean.detach(), result.variance.detach(), batch * height * width);
        result.output
    }

    /// The running mean and variance, `[C]` each.
    pub fn running(&self) -> [Tensor<1>; 2] {
        [&self.running_mean, &self.running_var].map(RunningState::value_sync)
    }

    /// Puts [`running`](Self::running) statistics back, as after a batch that is not to count.
    pub fn set_running(&self, [mean, var]: [Tensor<1>; 2]) {
        self.running_mean.update(mean);
        self.running_var.update(var);
    }

    /// The same on `[B, H, W, C]`, followed by `ReLU`, by native kernels.
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    pub(super) fn forward_relu_last(&self, x: &Tensor<4>) -> Tensor<4> {
        let device = x.device();
        let norm = Norm { scale: self.weight.val(), shift: self.bias.val(), epsilon: self.epsilon as f32 };
        if !device.is_autodiff() {
            let mean = self.running_mean.value().to_device(&device);
            let var = self.running_var.value().to_device(&device);
            return layers::batch_norm_relu(x, &mean, &var, &norm);
        }
        let [batch, height, width, _] = x.dims();
        let (mean, var) = layers::batch_statistics(x);
        let tracked = |statistic: &Tensor<1>| statistic.clone().to_device(&device);
        let (mean, var) = (tracked(&mean), tracked(&var));
        let y = layers::batch_norm_relu(x, &mean, &var, &norm);
        self.observe(mean, var, batch * height * width);
        y
    }

    /// Brings the running statistics nearer to those of a batch of `count` values a channel.
    fn observe(&self, mean: Tensor<1>, biased_var: Tensor<1>, count: usize) {
        let count = count as f64;
        self.update(&self.running_mean, mean);
        self.update(&self.running_var, biased_var * (count / (count - 1.0).max(1.0)));
    }

    fn update(&self, state: &RunningState<Tensor<1>>, batch: Tensor<1>) {
        let running = state.value_sync().to_device(&batch.device());
        state.update((running * (1.0 - self.momentum) + batch * self.momentum).detach());
    }
}
