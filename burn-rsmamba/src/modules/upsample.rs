#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use crate::layers;
use burn::{Tensor, tensor::TensorData};

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

/// Doubles `[B, H, W, C]` bilinearly with aligned corners.
///
/// Without a native kernel it is composed of shifts and sums: Burn's own bilinear interpolation has no backward on CubeCL.
pub fn upsample_bilinear2x(x: Tensor<4>) -> Tensor<4> {
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    if layers::is_native(&x) {
        return layers::upsample_bilinear2x(&x);
    }
    double(double(x, 2), 1)
}

/// Output `o` lies at `o (size - 1) / (2 size - 1)`: number `2 i` between `i - 1` and `i`, number `2 i + 1` between `i` and
/// `i + 1`.
fn double(x: Tensor<4>, axis: usize) -> Tensor<4> {
    let size = x.dims()[axis];
    if size == 1 {
        return Tensor::cat(vec![x.clone(), x], axis);
    }
    let mut sizes = x.dims();
    sizes[axis] = 2 * size;
    let weights: Vec<f32> = (0..size).map(|i| (i as f64 / (2 * size - 1) as f64) as f32).collect();
    let mut shape = [1; 4];
    shape[axis] = size;
    let of_previous = Tensor::<4>::from_data(TensorData::new(weights, shape), &x.device());
    let of_next = of_previous.clone().flip([axis as isize]);
    let previous = Tensor::cat(vec![x.clone().narrow(axis, 0, 1), x.clone().narrow(axis, 0, size - 1)], axis);
    let next = Tensor::cat(vec![x.clone().narrow(axis, 1, size - 1), x.clone().narrow(axis, size - 1, 1)], axis);
    let even = x.clone() + (previous - x.clone()) * of_previous;
    let odd = x.clone() + (next - x) * of_next;
    Tensor::stack::<5>(vec![even, odd], axis + 1).reshape(sizes)
}
