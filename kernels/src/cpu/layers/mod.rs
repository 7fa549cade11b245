//! Layers of the models on channel-last maps, forward and backward.
//!
//! * `rows.rs`: rows of a matrix, possibly some columns of a wider one;
//! * `bands.rs`, `normal.rs`: work by bands of rows, rows in SIMD lanes; GELU and `SiLU` on lanes;
//! * `activation.rs`, `norm/`, `batch_norm/`: GELU, biases and sums, normalisations;
//! * `conv/`, `depthwise/`, `upsample.rs`: convolutions and bilinear upsampling;
//! * `product.rs`: matrix products over all cores;
//! * `fuse.rs`: the 1×1 convolution of two maps put together.
//!
//! A map `[B, H, W, C]` is a matrix of `B * H * W` rows. Slices that do not fit their shape are mistakes of the caller and
//! panic.

mod activation;
mod bands;
mod batch_norm;
mod conv;
mod depthwise;
mod fuse;
mod norm;
mod normal;
mod product;
mod rows;
mod upsample;

pub use activation::{add_bias, gelu, gelu_backward, gelu_in_place, sum_rows};
pub(crate) use bands::Fresh;
pub use batch_norm::{batch_norm, batch_norm_backward, batch_statistics};
pub use conv::{ConvGradients, ConvNeeds, ConvShape, conv2d, conv2d_backward};
pub use depthwise::{DepthwiseGradients, MapShape, depthwise_silu, depthwise_silu_backward};
pub use fuse::{FuseShape, fuse, fuse_backward};
pub use norm::{Affine, NormGradients, gated_norm, gated_norm_backward, layer_norm, layer_norm_backward};
pub use product::{Matrix, Start, add_product, product, product_then};
pub use rows::{Rows, RowsMut};
pub use upsample::{upsample_bilinear2x, upsample_bilinear2x_backward};
