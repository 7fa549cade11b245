//! The building blocks of RS-Mamba, one module a file. Maps are channel-last, `[B, H, W, C]`, inside the encoder and
//! channel-first, `[B, C, H, W]`, around it.

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
pub(crate) use init::conv as init_conv;
pub use mlp::{Mlp, MlpConfig};
pub use ossm::{Ossm, OssmConfig};
pub use patch::{Downsample, DownsampleConfig, PatchEmbed, PatchEmbedConfig};
pub use upsample::{upsample_bilinear2x, upsample_nearest2x};

use burn::Tensor;

/// `[B, H, W, C]` to `[B, C, H, W]`.
pub(crate) fn channels_first(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 3, 1, 2])
}

/// `[B, C, H, W]` to `[B, H, W, C]`.
pub(crate) fn channels_last(map: Tensor<4>) -> Tensor<4> {
    map.permute([0, 2, 3, 1])
}
