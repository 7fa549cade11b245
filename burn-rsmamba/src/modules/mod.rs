//! The building blocks of RS-Mamba, one module a file. Maps are channel-last, `[B, H, W, C]`; only images
//! and logits are channel-first, `[B, C, H, W]`.

mod batch_norm;
mod block;
mod conv_norm;
mod drop_path;
mod init;
mod mlp;
mod ossm;
mod patch;
mod upsample;

pub use batch_norm::{BatchNorm2d, BatchNorm2dConfig};
pub use block::{OssBlock, OssBlockConfig};
pub use conv_norm::{ConvNormRelu, ConvNormReluConfig};
pub use drop_path::DropPath;
pub(crate) use init::Draws;
pub use mlp::{Mlp, MlpConfig};
pub use ossm::{Ossm, OssmConfig};
pub use patch::{Downsample, DownsampleConfig, PatchEmbed, PatchEmbedConfig};
pub use upsample::{upsample_bilinear2x, upsample_nearest2x};

use burn::{
    Tensor,
    nn::{LayerNorm, Linear, conv::Conv2d},
    tensor::DType,
};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use {
    crate::layers::{self, Norm},
    burn::module::Param,
};

/// Added to the variance by every normalisation of the models.
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
const EPSILON: f64 = 1e-5;

/// The parameters of a normalisation for native layers.
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
fn layer_norm(norm: &LayerNorm) -> Norm {
    let shift = norm.beta.as_ref().expect("every normalisation of the models has a shift").val();
    Norm { scale: norm.gamma.val(), shift, epsilon: EPSILON as f32 }
}

/// Whether native kernels take this map in a layer of this weight.
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
fn takes_native<const D: usize>(x: &Tensor<4>, weight: &Param<Tensor<D>>) -> bool {
    layers::takes_native(x, weight.dtype())
}

/// Free where it has the dtype already.
fn cast<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    if x.dtype() == dtype { x } else { x.cast(dtype) }
}

/// A linear layer computes in the dtype of its weight, see [`Precision`](crate::models::Precision); the result has it too.
fn linear(layer: &Linear, x: Tensor<4>) -> Tensor<4> {
    layer.forward(cast(x, layer.weight.dtype()))
}

/// A normalisation computes in the dtype of its scale; the result has it too.
fn normalised(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    norm.forward(cast(x, norm.gamma.dtype()))
}

/// GELU with the error function, `x (1 + erf(x / sqrt 2)) / 2`.
///
/// Burn's own has the derivative of the tanh approximation on every backend but Flex, some 1e-3 off.
fn gelu(x: Tensor<4>) -> Tensor<4> {
    let half = x.clone() * 0.5;
    half.clone() * (x * std::f64::consts::FRAC_1_SQRT_2).erf() + half
}

/// A convolution with padding `k / 2`, from `[B, H, W, C_in]` to `[B, H', W', C_out]`; computed in the dtype of its weight.
pub(crate) fn conv_last(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    if conv.groups == 1 && conv.dilation == [1, 1] && takes_native(&x, &conv.weight) {
        let bias = conv.bias.as_ref().map(Param::val);
        return layers::conv2d(&x, &conv.weight.val(), bias.as_ref(), conv.stride[0]);
    }
    let dtype = x.dtype();
    let y = conv.forward(channels_first(cast(x, conv.weight.dtype())));
    channels_last(cast(y, dtype))
}

/// `[B, H, W, C]` to `[B, C, H, W]`.
pub(crate) fn channels_first(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 3, 1, 2])
}

/// `[B, C, H, W]` to `[B, H, W, C]`.
pub(crate) fn channels_last(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 2, 3, 1])
}
