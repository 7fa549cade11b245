use super::{Matrix, Rows, Start, product};
use crate::cpu::memory::zeros;
use rayon::prelude::*;

/// Sizes of a [`fuse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuseShape {
    /// B, maps.
    pub batch: usize,
    /// H, rows of the second map and of the result.
    pub height: usize,
    /// W, columns of the second map and of the result.
    pub width: usize,
    /// C1, channels of the first map.
    pub first_channels: usize,
    /// C2, channels of the second map.
    pub second_channels: usize,
    /// Channels of the result.
    pub out_channels: usize,
    /// Whether the first map has half the size and each of its pixels counts for four.
    pub doubled: bool,
}

impl FuseShape {
    fn channels(&self) -> usize {
        self.first_channels + self.second_channels
    }

    /// The columns of the weight that belong to the first or second map.
    fn halves<'a>(&self, weight: &'a [f32]) -> [Matrix<'a>; 2] {
        let part = |from, columns| Matrix::from(Rows::columns_of(weight, self.channels(), from, columns));
        [part(0, self.first_channels), part(self.first_channels, self.second_channels)]
    }

    /// Repeats every pixel of `[B, H / 2, W / 2, out]` four times.
    fn double(&self, small: &[f32]) -> Vec<f32> {
        let (width, channels) = (self.width, self.out_channels);
        let mut out = zeros(self.batch * self.height * width * channels);
        let rows = out.par_chunks_exact_mut(2 * width * channels).zip(small.par_chunks_exact(width / 2 * channels));
        rows.for_each(|(pair, small)| {
            let (upper, lower) = pair.split_at_mut(width * channels);
            for (pixels, pixel) in upper.chunks_exact_mut(2 * channels).zip(small.chunks_exact(channels)) {
                let (left, right) = pixels.split_at_mut(channels);
                left.copy_from_slice(pixel);
                right.copy_from_slice(pixel);
            }
            lower.copy_from_slice(upper);
        });
        out
    }

    /// Sums the four pixels that [`double`](Self::double) made of one.
    fn halve(&self, dy: &[f32]) -> Vec<f32> {
        let (width, channels) = (self.width, self.out_channels);
        let mut out = zeros(dy.len() / 4);
        let rows = out.par_chunks_exact_mut(width / 2 * channels).zip(dy.par_chunks_exact(2 * width * channels));
        rows.for_each(|(small, pair)| {
            let (upper, lower) = pair.split_at(width * channels);
            let pixels = upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels));
            for (small, (upper, lower)) in small.chunks_exact_mut(channels).zip(pixels) {
                for c in 0..channels {
                    small[c] = (upper[c] + upper[channels + c]) + (lower[c] + lower[channels + c]);
                }
            }
        });
        out
    }
}

/// The 1×1 convolution `weight [out, C1 + C2]` of two maps put together, `first [B, H, W, C1]` (or `[B, H / 2, W / 2, C1]`) and
/// `second [B, H, W, C2]`: `[B, H, W, out]`.
///
/// A 1×1 convolution and a repetition of pixels change places, so the first map is multiplied at its own size.
pub fn fuse(shape: FuseShape, first: &[f32], second: &[f32], weight: &[f32]) -> Vec<f32> {
    let [weight1, weight2] = shape.halves(weight);
    let part = product(Rows::new(first, shape.first_channels), weight1.transposed(), Start::Zero);
    let part = if shape.doubled { shape.double(&part) } else { part };
    let start = Start::Residual { matrix: &part, bias: None, scale: None };
    product(Rows::new(second, shape.second_channels), weight2.transposed(), start)
}

/// Gradients of [`fuse`]: of the first map, the second and the weight.
pub fn fuse_backward(shape: FuseShape, first: &[f32], second: &[f32], weight: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
    let [weight1, weight2] = shape.halves(weight);
    let dy2 = Rows::new(dy, shape.out_channels);
    let small = if shape.doubled { shape.halve(dy) } else { Vec::new() };
    let dy1 = if shape.doubled { Rows::new(&small, shape.out_channels) } else { dy2 };
    let first = Rows::new(first, shape.first_channels);
    let second = Rows::new(second, shape.second_channels);
    let dweight1 = product(Matrix::from(dy1).transposed(), first, Start::Zero);
    let dweight2 = product(Matrix::from(dy2).transposed(), second, Start::Zero);
    let mut dweight = Vec::with_capacity(weight.len());
    for (row1, row2) in dweight1.chunks_exact(shape.first_channels).zip(dweight2.chunks_exact(shape.second_channels)) {
        dweight.extend_from_slice(row1);
        dweight.extend_from_slice(row2);
    }
    [product(dy1, weight1, Start::Zero), product(dy2, weight2, Start::Zero), dweight]
}
