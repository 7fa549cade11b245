//! Host side: checks, scratch memory and how many cubes of how many units each kernel gets.

mod activation;
mod depthwise;
mod norm;
mod rows;
mod sum;

pub use activation::{add_branch, bias_gelu, bias_gelu_backward, scale_samples};
pub use depthwise::{ConvGradients, GpuMap, depthwise_silu, depthwise_silu_backward};
pub use norm::{
    GatedNormGradients, GpuAffine, NormGradients, gated_norm, gated_norm_backward, layer_norm, layer_norm_backward,
};
pub use rows::GpuRows;
pub use sum::{sum_matrices, sum_rows};
