//! Host side: checks, scratch memory and how many cubes of how many units each kernel gets.

mod activation;
mod batch_norm;
mod conv;
mod depthwise;
mod norm;
mod optim;
mod rows;
mod sum;
mod upsample;

use crate::gpu::resources::check_bindings;
use cubecl::client::Client;

pub use activation::{add_branch, bias_gelu, bias_gelu_backward, place_rows, scale_samples};
pub use batch_norm::{batch_norm_relu, batch_norm_relu_backward, batch_statistics};
pub use conv::{NARROW, conv_patches, conv_patches_backward, narrow_conv, narrow_conv_input, narrow_conv_weight};
pub use depthwise::{ConvGradients, GpuMap, depthwise_silu, depthwise_silu_backward};
pub use norm::{
    GatedNormGradients, GpuAffine, NormGradients, gated_norm, gated_norm_backward, layer_norm, layer_norm_backward,
};
pub use optim::{AdamWFactors, TENSORS, adamw_step, scale_tensors, sum_squares};
pub use rows::GpuRows;
pub use sum::{sum_matrices, sum_rows};
pub use upsample::{add_doubled, sum_fours, upsample_bilinear2x, upsample_bilinear2x_backward};

/// Whether all of it runs on this device: cubes have enough units, launches enough buffers. `CubeCL`'s own runtime for CPUs has as many
/// units as cores, browsers bind as few as eight buffers.
pub fn are_supported(client: &Client) -> bool {
    let op = "layers";
    rows::dim(op, client).is_ok() && check_bindings(op, client, TENSORS + 1).is_ok()
}
