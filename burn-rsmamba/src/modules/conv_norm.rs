use super::{BatchNorm2d, BatchNorm2dConfig, init};
use burn::{
    Tensor,
    config::Config,
    module::Module,
    nn::conv::Conv2d,
    tensor::{Device, activation::relu},
};

/// Configuration of [`ConvNormRelu`].
#[derive(Config, Debug)]
pub struct ConvNormReluConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Side of the square kernel.
    #[config(default = 1)]
    pub kernel: usize,
    /// Whether the convolution has a bias.
    #[config(default = false)]
    pub bias: bool,
}

/// Convolution, batch normalisation, `ReLU`: decoder levels, date fusion and head. `[B, C, H, W]` keeps H and W.
#[derive(Module, Debug)]
pub struct ConvNormRelu {
    /// The convolution.
    pub conv: Conv2d,
    /// The normalisation.
    pub norm: BatchNorm2d,
}

impl ConvNormReluConfig {
    /// A layer with initial values.
    pub fn init(&self, device: &Device) -> ConvNormRelu {
        ConvNormRelu {
            conv: init::conv(self.channels, self.kernel, 1, self.bias, device),
            norm: BatchNorm2dConfig::new(self.channels[1]).init(device),
        }
    }
}

impl ConvNormRelu {
    /// `[B, C_in, H, W]` to `[B, C_out, H, W]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.conv.forward(input)))
    }
}
