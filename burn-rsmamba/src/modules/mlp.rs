use super::{Draws, cast, gelu, linear};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use crate::{layers::MlpParameters, modules::layer_norm};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use burn::nn::LayerNorm;
use burn::{Tensor, config::Config, module::Module, nn::Linear, tensor::Device};

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Channels in and out.
    pub channels: usize,
    /// Channels between.
    pub hidden: usize,
}

/// Linear, GELU (erf), linear, on the last axis.
#[derive(Module, Debug)]
pub struct Mlp {
    /// First layer.
    pub fc1: Linear,
    /// Second layer.
    pub fc2: Linear,
}

impl MlpConfig {
    /// A layer with initial values.
    pub fn init(&self, device: &Device) -> Mlp {
        self.build(&mut Draws::of(device))
    }

    pub(super) fn build(&self, draws: &mut Draws) -> Mlp {
        Mlp { fc1: draws.linear(self.channels, self.hidden, true), fc2: draws.linear(self.hidden, self.channels, true) }
    }
}

impl Mlp {
    /// For the native branch: with the normalisation before it.
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    pub(super) fn parameters(&self, norm: &LayerNorm) -> MlpParameters {
        let bias = |layer: &Linear| layer.bias.as_ref().expect("both layers have a bias").val();
        MlpParameters {
            norm: layer_norm(norm),
            weight1: self.fc1.weight.val(),
            bias1: bias(&self.fc1),
            weight2: self.fc2.weight.val(),
            bias2: bias(&self.fc2),
        }
    }

    /// `[B, H, W, C]` to `[B, H, W, C]`, in the dtype of the weights.
    ///
    /// # Panics
    ///
    /// When the map has other channels.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let dtype = input.dtype();
        linear(&self.fc2, gelu(cast(linear(&self.fc1, input), dtype)))
    }
}
