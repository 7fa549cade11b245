use super::{channels_first, channels_last};
#[cfg(feature = "flex")]
use crate::layers;
use burn::{
    Tensor,
    tensor::{Device, TensorData},
};

/// Doubles `[B, C, H, W]` by repeating every pixel.
pub fn upsample_nearest2x(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height, 1, width, 1]).expand([batch, channels, height, 2, width, 2]).reshape([
        batch,
        channels,
        2 * height,
        2 * width,
    ])
}

/// Doubles `[B, H, W, C]` bilinearly with aligned corners, as two products with constant matrices where there is no kernel.
///
/// Burn's own bilinear interpolation has no backward on CubeCL; a product has one everywhere.
pub fn upsample_bilinear2x(x: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if layers::is_native(&x) {
        return layers::upsample_bilinear2x(&x);
    }
    let [_, height, width, _] = x.dims();
    let device = x.device();
    let columns = interpolation(width, &device).transpose().unsqueeze();
    let rows = interpolation(height, &device).unsqueeze();
    channels_last(rows.matmul(channels_first(x).matmul(columns)))
}

/// `[2 size, size]`: row `o` holds the two weights of output `o`, which lies at `o (size - 1) / (2 size - 1)`.
fn interpolation(size: usize, device: &Device) -> Tensor<2> {
    let mut weights = vec![0.0f32; 2 * size * size];
    for (output, row) in weights.chunks_exact_mut(size).enumerate() {
        let position = (output * (size - 1)) as f64 / (2 * size - 1) as f64;
        let left = position as usize;
        let fraction = position - left as f64;
        row[left] += (1.0 - fraction) as f32;
        row[(left + 1).min(size - 1)] += fraction as f32;
    }
    Tensor::from_data(TensorData::new(weights, [2 * size, size]), device)
}
