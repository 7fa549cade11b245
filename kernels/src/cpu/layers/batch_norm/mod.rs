//! Batch normalisation.

mod statistics;

pub use statistics::batch_statistics;

use super::{
    Affine, NormGradients,
    bands::{Fresh, Vectors, VectorsMut, by_bands, total, vectors},
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// `(x - mean) / √(variance + ε) · scale + shift` with columns as channels (Ioffe and Szegedy 2015), then `ReLU` where
/// `relu`. Returns `[rows, columns]`.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn batch_norm(x: &[f32], mean: &[f32], variance: &[f32], affine: Affine<'_>, relu: bool) -> Vec<f32> {
    let (rows, columns) = check(x, mean, variance, affine);
    let factor = factors(variance, affine);
    let mut y = Vec::new();
    let fresh = Fresh::new(&mut y, x.len());
    by_bands(rows, columns, |rows| {
        let parameters = Parameters { mean, factor: &factor, shift: affine.shift, relu };
        Arch::new().dispatch(Forward { x, parameters, y: &fresh, rows });
    });
    // SAFETY: the bands took every row.
    unsafe { y.set_len(x.len()) };
    y
}

/// Gradients of [`batch_norm`] where `mean` and `variance` are those of `x` itself, in training.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn batch_norm_backward(
    x: &[f32],
    mean: &[f32],
    variance: &[f32],
    affine: Affine<'_>,
    relu: bool,
    dy: &[f32],
) -> NormGradients {
    let (rows, columns) = check(x, mean, variance, affine);
    assert!(dy.len() == x.len(), "{} gradients for {} values", dy.len(), x.len());
    let factor = factors(variance, affine);
    let parameters = Parameters { mean, factor: &factor, shift: affine.shift, relu };
    let sums = by_bands(rows, columns, |rows| Arch::new().dispatch(Sums { x, parameters, dy, rows }));
    let products = total(sums.iter().map(|sums| &sums.0[..]), columns);
    let shift = total(sums.iter().map(|sums| &sums.1[..]), columns);
    // dx = factor (dz - Σdz / rows - (x - mean) Σ(dz (x - mean)) / (rows (variance + ε)))
    let mut slope = Vec::with_capacity(columns);
    let mut scale = Vec::with_capacity(columns);
    for column in 0..columns {
        let inverse = 1.0 / (variance[column] + affine.epsilon);
        scale.push(products[column] * inverse.sqrt());
        slope.push(products[column] * inverse / rows as f32);
    }
    let shares: Vec<f32> = shift.iter().map(|sum| sum / rows as f32).collect();
    let mut dx = Vec::new();
    let fresh = Fresh::new(&mut dx, x.len());
    by_bands(rows, columns, |rows| {
        let (share, slope) = (&shares[..], &slope[..]);
        Arch::new().dispatch(Backward { x, parameters, dy, share, slope, dx: &fresh, rows });
    });
    // SAFETY: the bands took every row.
    unsafe { dx.set_len(x.len()) };
    NormGradients { x: dx, scale, shift }
}

fn check(x: &[f32], mean: &[f32], variance: &[f32], affine: Affine<'_>) -> (usize, usize) {
    let columns = mean.len();
    affine.check(columns);
    assert!(columns > 0 && x.len().is_multiple_of(columns), "{} values in rows of {columns}", x.len());
    assert!(variance.len() == columns, "{} variances for {columns} columns", variance.len());
    (x.len() / columns, columns)
}

/// What a column is multiplied by, `scale / √(variance + ε)`.
fn factors(variance: &[f32], affine: Affine<'_>) -> Vec<f32> {
    variance.iter().zip(affine.scale).map(|(variance, scale)| scale / (variance + affine.epsilon).sqrt()).collect()
}

/// What makes the result of a value, in each column.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    mean: &'a [f32],
    factor: &'a [f32],
    shift: &'a [f32],
    relu: bool,
}

/// [`Parameters`] in vectors.
struct Lanes<'a, S: Simd> {
    mean: Vectors<'a, S>,
    factor: Vectors<'a, S>,
    shift: Vectors<'a, S>,
    relu: bool,
}

impl<'a, S: Simd> Lanes<'a, S> {
    #[inline(always)]
    fn new(simd: S, parameters: Parameters<'a>) -> Self {
        let Parameters { mean, factor, shift, relu } = parameters;
        Self {
            mean: Vectors::new(simd, mean),
            factor: Vectors::new(simd, factor),
            shift: Vectors::new(simd, shift),
            relu,
        }
    }

    /// Difference to the mean, and the result before `ReLU`; the same in both passes, so that they agree on its sign.
    #[inline(always)]
    fn apply(&self, simd: S, index: usize, x: S::f32s) -> (S::f32s, S::f32s) {
        let difference = simd.sub_f32s(x, self.mean.at(index));
        (difference, simd.mul_add_e_f32s(difference, self.factor.at(index), self.shift.at(index)))
    }

    /// Gradient before `ReLU`.
    #[inline(always)]
    fn masked(&self, simd: S, y: S::f32s, dy: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        if self.relu { simd.select_f32s(simd.less_than_or_equal_f32s(y, zero), zero, dy) } else { dy }
    }
}

/// Some rows of the forward pass.
struct Forward<'a> {
    x: &'a [f32],
    parameters: Parameters<'a>,
    y: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.parameters.mean.len();
        let lanes = Lanes::new(simd, self.parameters);
        let zero = simd.splat_f32s(0.0);
        for row in self.rows {
            let x = Vectors::new(simd, &self.x[row * columns..][..columns]);
            // SAFETY: the rows of the bands do not overlap.
            let mut out = VectorsMut::new(simd, unsafe { self.y.part(row * columns, columns) });
            for i in 0..vectors::<S>(columns) {
                let (_, y) = lanes.apply(simd, i, x.at(i));
                // A selection keeps NaN, which SIMD `max` may drop.
                out.set(i, if lanes.relu { simd.select_f32s(simd.less_than_f32s(y, zero), zero, y) } else { y });
            }
        }
    }
}

/// Sums of `dz (x - mean)` and `dz` over some rows, padded.
struct Sums<'a> {
    x: &'a [f32],
    parameters: Parameters<'a>,
    dy: &'a [f32],
    rows: Range<usize>,
}

impl WithSimd for Sums<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let columns = self.parameters.mean.len();
        let n = vectors::<S>(columns);
        let lanes = Lanes::new(simd, self.parameters);
        let (mut products, mut sums) = (vec![0.0; n * S::F32_LANES], vec![0.0; n * S::F32_LANES]);
        let product: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut products);
        let sum: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut sums);
        for row in self.rows {
            let x = Vectors::new(simd, &self.x[row * columns..][..columns]);
            let dy = Vectors::new(simd, &self.dy[row * columns..][..columns]);
            for i in 0..n {
                let (difference, y) = lanes.apply(simd, i, x.at(i));
                let dz = lanes.masked(simd, y, dy.at(i));
                product[i] = simd.mul_add_e_f32s(dz, difference, product[i]);
                sum[i] = simd.add_f32s(dz, sum[i]);
            }
        }
        (products, sums)
    }
}

/// Gradient of some rows of the input.
struct Backward<'a> {
    x: &'a [f32],
    parameters: Parameters<'a>,
    dy: &'a [f32],
    share: &'a [f32],
    slope: &'a [f32],
    dx: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.parameters.mean.len();
        let lanes = Lanes::new(simd, self.parameters);
        let (share, slope) = (Vectors::new(simd, self.share), Vectors::new(simd, self.slope));
        for row in self.rows {
            let x = Vectors::new(simd, &self.x[row * columns..][..columns]);
            let dy = Vectors::new(simd, &self.dy[row * columns..][..columns]);
            // SAFETY: the rows of the bands do not overlap.
            let mut dx = VectorsMut::new(simd, unsafe { self.dx.part(row * columns, columns) });
            for i in 0..vectors::<S>(columns) {
                let (difference, y) = lanes.apply(simd, i, x.at(i));
                let dz = lanes.masked(simd, y, dy.at(i));
                let rest = simd.negate_mul_add_e_f32s(difference, slope.at(i), simd.sub_f32s(dz, share.at(i)));
                dx.set(i, simd.mul_f32s(rest, lanes.factor.at(i)));
            }
        }
    }
}
