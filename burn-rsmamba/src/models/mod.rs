//! RSM-SS and RSM-CD (arXiv 2404.02668): configurations, modules and their cost.

mod complexity;
mod config;
mod decoder;
mod encoder;
mod model;
mod precision;
mod rsm_cd;
mod rsm_ss;
mod task;

pub use complexity::{Complexity, StageCost, complexity};
pub use config::{ConfigError, EncoderConfig, ModelConfig};
pub use decoder::{Decoder, DecoderConfig, Head, HeadConfig};
pub use encoder::{Encoder, Stage};
pub use model::RsmModel;
pub use precision::Precision;
pub use rsm_cd::{RsmCd, RsmCdConfig};
pub use rsm_ss::{RsmSs, RsmSsConfig};
pub use task::Task;

use burn::Tensor;

/// The encoder halves the image five times in all.
pub(crate) const STRIDE: usize = 32;

/// Runs `network` on images padded to a multiple of 32 and crops its result back to their size.
fn with_padding<const N: usize>(
    images: [Tensor<4>; N],
    network: impl FnOnce([Tensor<4>; N]) -> Tensor<4>,
) -> Tensor<4> {
    let [_, _, height, width] = images[0].dims();
    let padded = images.map(|image| replicate_edge(replicate_edge(image, 2), 3));
    network(padded).narrow(2, 0, height).narrow(3, 0, width)
}

/// Repeats the last row or column until the dimension is a multiple of 32.
fn replicate_edge(image: Tensor<4>, dim: usize) -> Tensor<4> {
    let size = image.dims()[dim];
    let missing = size.next_multiple_of(STRIDE) - size;
    if missing == 0 {
        return image;
    }
    let edge = image.clone().narrow(dim, size - 1, 1).repeat_dim(dim, missing);
    Tensor::cat(vec![image, edge], dim)
}

/// Panics with the names that a caller of a model knows.
fn check_image(model: &str, argument: &str, bands: usize, image: &Tensor<4>) {
    let [_, actual, height, width] = image.dims();
    assert!(
        actual == bands && height > 0 && width > 0,
        "{model}: `{argument}` must be [batch, {bands}, height, width], got {:?}",
        image.dims()
    );
}
