//! What the models' branches need beside the scan and products of matrices, on channel-last maps in f32, forward and backward: what
//! `cpu::layers` is on the CPU, cut where products of matrices come between.
//!
//! | function | launches forward | backward |
//! |---|---|---|
//! | [`layer_norm`], [`gated_norm`] | 1 | 3 |
//! | [`batch_statistics`], [`batch_norm_relu`] | 5, 1 | 3 |
//! | [`depthwise_silu`] | 1 | 4 |
//! | [`narrow_conv`] | 1 | 3 |
//! | [`conv_patches`] | 1 | 1 |
//! | [`bias_gelu`] | 1 | 1 |
//! | [`upsample_bilinear2x`], [`add_doubled`] | 1 | 1 |
//! | [`add_branch`], [`scale_samples`], [`place_rows`], [`scale_tensors`], [`adamw_step`] | 1 | |
//! | [`sum_rows`], [`sum_squares`] | 2 | |
//! | [`sum_matrices`] | 1 | |
//!
//! Sums over the rows of a matrix are taken by many cubes, each over some rows, and their partial sums are added in order: nothing is
//! added atomically, so results are the same bits from run to run.

mod kernel;
mod launch;

pub use launch::{
    AdamWFactors, ConvGradients, GatedNormGradients, GpuAffine, GpuMap, GpuRows, NARROW, NormGradients, TENSORS,
    adamw_step, add_branch, add_doubled, are_supported, batch_norm_relu, batch_norm_relu_backward, batch_statistics,
    bias_gelu, bias_gelu_backward, conv_patches, conv_patches_backward, depthwise_silu, depthwise_silu_backward,
    gated_norm, gated_norm_backward, layer_norm, layer_norm_backward, narrow_conv, narrow_conv_input,
    narrow_conv_weight, place_rows, scale_samples, scale_tensors, sum_fours, sum_matrices, sum_rows, sum_squares,
    upsample_bilinear2x, upsample_bilinear2x_backward,
};
