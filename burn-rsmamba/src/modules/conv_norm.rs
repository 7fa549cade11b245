use super::{
    BatchNorm2d, BatchNorm2dConfig, Draws, cast, channels_first, channels_last, conv_last, upsample_nearest2x,
};
use burn::{
    Tensor,
    config::Config,
    module::Module,
    nn::conv::Conv2d,
    tensor::{Device, activation::relu},
};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use {super::takes_native, crate::layers};

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

/// Convolution, batch normalisation, `ReLU`: decoder levels, date fusion and head. Channel-last; H and W stay.
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
        self.build(&mut Draws::of(device))
    }

    pub(crate) fn build(&self, draws: &mut Draws) -> ConvNormRelu {
        ConvNormRelu {
            conv: draws.conv(self.channels, self.kernel, 1, self.bias),
            norm: BatchNorm2dConfig::new(self.channels[1]).init(draws.device()),
        }
    }
}

impl ConvNormRelu {
    /// `[B, H, W, C_in]` to `[B, H, W, C_out]`.
    ///
    /// # Panics
    ///
    /// When the map has other channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm_relu(conv_last(&self.conv, x))
    }

    /// The same of two maps put together, `[B, H, W, C_1]` and `[B, H, W, C_2]` with `C_1 + C_2 = C_in`; the kernel is 1×1.
    ///
    /// A first map of half the size, `[B, H / 2, W / 2, C_1]`, is doubled by repeating its pixels.
    ///
    /// # Panics
    ///
    /// When the first map has neither the size of the second nor half of it, or another batch, or both together other channels.
    pub fn fuse(&self, first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
        let ([one, height, width, _], [batch, rows, columns, _]) = (first.dims(), second.dims());
        assert!(
            one == batch && [[height, width], [2 * height, 2 * width]].contains(&[rows, columns]),
            "ConvNormRelu::fuse: a map {:?} has neither the size of {:?} nor half of it",
            first.dims(),
            second.dims()
        );
        #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
        if self.conv.bias.is_none() && takes_native(&second, &self.conv.weight) {
            return self.norm_relu(layers::fuse(&first, &second, &self.conv.weight.val()));
        }
        let (dtype, half) = (second.dtype(), self.conv.weight.dtype());
        let (first, second) = (channels_first(cast(first, half)), channels_first(cast(second, half)));
        let same = first.dims()[2] == second.dims()[2];
        let first = if same { first } else { upsample_nearest2x(first) };
        let y = self.conv.forward(Tensor::cat(vec![first, second], 1));
        self.norm_relu(channels_last(cast(y, dtype)))
    }

    fn norm_relu(&self, x: Tensor<4>) -> Tensor<4> {
        #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
        if layers::is_native(&x) {
            return self.norm.forward_relu_last(&x);
        }
        channels_last(relu(self.norm.forward(channels_first(x))))
    }
}
