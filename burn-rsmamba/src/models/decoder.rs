use crate::modules::{ConvNormRelu, ConvNormReluConfig, Draws, channels_first, conv_last, upsample_bilinear2x};
use burn::{Tensor, config::Config, module::Module, nn::conv::Conv2d, tensor::Device};

/// Channels between the head's two upsamplings.
const HEAD_CHANNELS: usize = 8;

/// Configuration of [`Decoder`].
#[derive(Config, Debug)]
pub struct DecoderConfig {
    /// Channels of the encoder's four stages.
    pub dims: [usize; 4],
}

/// Three levels, from the deepest map up.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Level `i` brings stage `i + 1` to stage `i`.
    pub levels: Vec<ConvNormRelu>,
}

impl DecoderConfig {
    /// A decoder with initial values.
    pub fn init(&self, device: &Device) -> Decoder {
        self.build(&mut Draws::of(device))
    }

    pub(super) fn build(&self, draws: &mut Draws) -> Decoder {
        let level = |i: usize| ConvNormReluConfig::new([self.dims[i + 1] + self.dims[i], self.dims[i]]).build(draws);
        Decoder { levels: (0..3).map(level).collect() }
    }
}

impl Decoder {
    /// The four stages' maps `[B, H / 2^(s + 2), W / 2^(s + 2), C_s]` to one of the first stage's size, `[B, H / 4, W / 4, C_0]`.
    ///
    /// # Panics
    ///
    /// When a map has other channels, or is not twice as large as the next.
    pub fn forward(&self, maps: [Tensor<4>; 4]) -> Tensor<4> {
        let [first, second, third, deepest] = maps;
        [third, second, first]
            .into_iter()
            .zip(self.levels.iter().rev())
            .fold(deepest, |x, (map, level)| level.fuse(x, map))
    }
}

/// Configuration of [`Head`].
#[derive(Config, Debug)]
pub struct HeadConfig {
    /// Channels of the first stage.
    pub channels: usize,
    /// Classes.
    pub classes: usize,
}

/// From a quarter of the size to logits at full size.
#[derive(Module, Debug)]
pub struct Head {
    /// 3×3, to half the channels.
    pub reduce: ConvNormRelu,
    /// 3×3, to eight channels.
    pub refine: ConvNormRelu,
    /// 7×7, to the classes.
    pub classify: Conv2d,
}

impl HeadConfig {
    /// A head with initial values.
    pub fn init(&self, device: &Device) -> Head {
        self.build(&mut Draws::of(device))
    }

    pub(super) fn build(&self, draws: &mut Draws) -> Head {
        let half = self.channels / 2;
        let mut conv3x3 = |channels| ConvNormReluConfig::new(channels).with_kernel(3).with_bias(true).build(draws);
        Head {
            reduce: conv3x3([self.channels, half]),
            refine: conv3x3([half, HEAD_CHANNELS]),
            classify: draws.conv([HEAD_CHANNELS, self.classes], 7, 1, true),
        }
    }
}

impl Head {
    /// `[B, H / 4, W / 4, C]` to logits `[B, classes, H, W]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = upsample_bilinear2x(self.reduce.forward(x));
        let x = upsample_bilinear2x(self.refine.forward(x));
        let logits = conv_last(&self.classify, x);
        let [batch, height, width, classes] = logits.dims();
        if classes == 1 {
            // The numbers lie as they should. A permuted map would not do: its one channel and its columns have the same
            // stride, and elementwise operations that CubeCL fuses (burn-cubecl-fusion 0.22.1) read wrong pixels of it.
            return logits.reshape([batch, 1, height, width]);
        }
        channels_first(logits)
    }
}
