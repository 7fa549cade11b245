use super::{Draws, channels_last, conv_last, gelu, normalised};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use crate::{layers, modules::layer_norm};
use burn::{
    Tensor,
    config::Config,
    module::Module,
    nn::{LayerNorm, LayerNormConfig, conv::Conv2d},
    tensor::Device,
};

/// Configuration of [`PatchEmbed`].
#[derive(Config, Debug)]
pub struct PatchEmbedConfig {
    /// Image bands.
    pub bands: usize,
    /// Channels of the first stage.
    pub channels: usize,
}

/// Two strided convolutions: the image at a quarter of its size.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// Bands to half the channels, stride 2.
    pub conv1: Conv2d,
    /// Normalisation before GELU.
    pub norm1: LayerNorm,
    /// Half the channels to all, stride 2.
    pub conv2: Conv2d,
    /// Normalisation of the result.
    pub norm2: LayerNorm,
}

impl PatchEmbedConfig {
    /// A layer with initial values.
    pub fn init(&self, device: &Device) -> PatchEmbed {
        self.build(&mut Draws::of(device))
    }

    pub(crate) fn build(&self, draws: &mut Draws) -> PatchEmbed {
        let half = self.channels / 2;
        PatchEmbed {
            conv1: draws.conv([self.bands, half], 3, 2, true),
            norm1: LayerNormConfig::new(half).init(draws.device()),
            conv2: draws.conv([half, self.channels], 3, 2, true),
            norm2: LayerNormConfig::new(self.channels).init(draws.device()),
        }
    }
}

impl PatchEmbed {
    /// `[B, bands, H, W]` to `[B, H / 4, W / 4, C]`.
    ///
    /// # Panics
    ///
    /// When the image has another number of bands.
    pub fn forward(&self, image: Tensor<4>) -> Tensor<4> {
        let x = conv_last(&self.conv1, channels_last(image));
        let x = conv_last(&self.conv2, norm_gelu(&self.norm1, x));
        norm(&self.norm2, x)
    }
}

/// Configuration of [`Downsample`].
#[derive(Config, Debug)]
pub struct DownsampleConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
}

/// One strided convolution and a normalisation between two stages.
#[derive(Module, Debug)]
pub struct Downsample {
    /// Stride 2.
    pub conv: Conv2d,
    /// Normalisation of the result.
    pub norm: LayerNorm,
}

impl DownsampleConfig {
    /// A layer with initial values.
    pub fn init(&self, device: &Device) -> Downsample {
        self.build(&mut Draws::of(device))
    }

    pub(crate) fn build(&self, draws: &mut Draws) -> Downsample {
        Downsample {
            conv: draws.conv(self.channels, 3, 2, true),
            norm: LayerNormConfig::new(self.channels[1]).init(draws.device()),
        }
    }
}

impl Downsample {
    /// `[B, H, W, C_in]` to `[B, H / 2, W / 2, C_out]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        norm(&self.norm, conv_last(&self.conv, x))
    }
}

fn norm(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    if layers::is_native(&x) {
        return layers::layer_norm(&x, &layer_norm(norm), false);
    }
    normalised(norm, x)
}

fn norm_gelu(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    if layers::is_native(&x) {
        return layers::layer_norm(&x, &layer_norm(norm), true);
    }
    gelu(normalised(norm, x))
}
