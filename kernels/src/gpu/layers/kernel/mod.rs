//! The kernels. Matrices have one row a pixel; [`Columns`] says which columns of a wider one are meant.

// As in the scan's kernels.
#![allow(
    clippy::assign_op_pattern,
    clippy::collapsible_else_if,
    clippy::collapsible_if,
    clippy::manual_div_ceil,
    clippy::too_many_arguments,
    clippy::trivially_copy_pass_by_ref,
    clippy::used_underscore_binding
)]

mod activation;
mod batch_norm;
mod conv;
mod depthwise;
mod norm;
mod optim;
mod rows;
mod sum;
mod upsample;

pub(super) use activation::{add_scaled, bias_gelu, bias_gelu_slope, place_rows, scale_rows};
pub(super) use batch_norm::{batch_columns, batch_rows, batch_slopes};
pub(super) use conv::{ConvLayoutLaunch, gather_patches, narrow_input, narrow_output, narrow_weight, scatter_patches};
pub(super) use depthwise::{depthwise_before, depthwise_input, depthwise_output, depthwise_weight};
pub(super) use norm::{NormKind, norm_columns, norm_rows, norm_slopes};
pub(super) use optim::{AdamWFactorsLaunch, TENSOR_PARTS, adamw_step, scale_tensors, sum_squares};
pub(super) use rows::{ColumnsLaunch, LANES, SUBS};
pub(super) use sum::{sum_partials, sum_some_rows};
pub(super) use upsample::{add_doubled, sum_fours, upsample_input, upsample_output};
