use super::{
    Rows, RowsMut,
    bands::{Fresh, Vectors, VectorsMut, by_bands, total, vectors},
    normal::{gelu, gelu_and_slope, silu_and_slope},
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// Parameters of a normalisation.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Factor of every column, `[columns]`.
    pub scale: &'a [f32],
    /// Shift of every column, `[columns]`.
    pub shift: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

impl Affine<'_> {
    pub(super) fn check(&self, columns: usize) {
        let (scale, shift) = (self.scale.len(), self.shift.len());
        assert!(scale == columns && shift == columns, "{scale} scales and {shift} shifts for {columns} columns");
    }
}

/// Gradients of a normalisation.
#[derive(Debug, Clone)]
pub struct NormGradients {
    /// Of the input, `[rows, columns]`.
    pub x: Vec<f32>,
    /// Of the factors, `[columns]`.
    pub scale: Vec<f32>,
    /// Of the shifts, `[columns]`.
    pub shift: Vec<f32>,
}

/// `LayerNorm` over the columns of each row, then GELU where `gelu`. Returns `[rows, columns]`.
///
/// `(x - mean) / √(variance + ε) · scale + shift` with the biased variance (Ba et al. 2016, `PyTorch`'s formula).
///
/// # Panics
///
/// When the shapes do not fit.
pub fn layer_norm(x: Rows<'_>, affine: Affine<'_>, gelu: bool) -> Vec<f32> {
    forward(x, affine, if gelu { After::Gelu } else { After::Nothing })
}

/// Gradients of [`layer_norm`]; recomputes the statistics.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn layer_norm_backward(x: Rows<'_>, affine: Affine<'_>, gelu: bool, dy: &[f32]) -> NormGradients {
    let after = if gelu { AfterBackward::Gelu } else { AfterBackward::Nothing };
    backward(x, affine, after, dy)
}

/// `LayerNorm(x) · SiLU(gate)`: the end of RS-Mamba's scan branch. Returns `[rows, columns]`.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn gated_norm(x: Rows<'_>, affine: Affine<'_>, gate: Rows<'_>) -> Vec<f32> {
    assert_same(&x, (gate.len(), gate.columns()));
    forward(x, affine, After::Gate(gate))
}

/// Gradients of [`gated_norm`], and its result again.
///
/// The gradient of the gate replaces what `dgate` holds. The result serves the weight gradient of the product that
/// follows.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn gated_norm_backward(
    x: Rows<'_>,
    affine: Affine<'_>,
    gate: Rows<'_>,
    dy: &[f32],
    dgate: RowsMut<'_>,
) -> (NormGradients, Vec<f32>) {
    assert_same(&x, (gate.len(), gate.columns()));
    assert_same(&x, (dgate.len(), dgate.columns()));
    let len = x.len() * x.columns();
    let mut y = Vec::new();
    let gradients = backward(x, affine, AfterBackward::Gate { gate, dgate, y: &Fresh::new(&mut y, len) }, dy);
    // SAFETY: `backward` took every row of `y`.
    unsafe { y.set_len(len) };
    (gradients, y)
}

fn assert_same(x: &Rows<'_>, other: (usize, usize)) {
    let shape = (x.len(), x.columns());
    assert!(shape == other, "rows and columns {shape:?} of the input, {other:?} of the gate");
}

/// What follows the normalisation.
#[derive(Clone, Copy)]
enum After<'a> {
    Nothing,
    Gelu,
    Gate(Rows<'a>),
}

fn forward(x: Rows<'_>, affine: Affine<'_>, after: After<'_>) -> Vec<f32> {
    affine.check(x.columns());
    let len = x.len() * x.columns();
    let mut y = Vec::new();
    let fresh = Fresh::new(&mut y, len);
    by_bands(x.len(), x.columns(), |rows| {
        Arch::new().dispatch(Forward { x, affine, after, y: &fresh, rows });
    });
    // SAFETY: the bands took every row.
    unsafe { y.set_len(len) };
    y
}

/// Mean of a row and one over its standard deviation.
///
/// Two passes over a row in the L1 cache: squares of differences do not cancel.
#[inline(always)]
fn statistics<S: Simd>(simd: S, x: &Vectors<'_, S>, columns: usize, epsilon: f32) -> (S::f32s, S::f32s) {
    let mut sum = simd.partial_load_f32s(x.rest());
    for &x in x.whole() {
        sum = simd.add_f32s(sum, x);
    }
    let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) / columns as f32);
    let mut squares = simd.splat_f32s(0.0);
    for &x in x.whole() {
        let difference = simd.sub_f32s(x, mean);
        squares = simd.mul_add_e_f32s(difference, difference, squares);
    }
    if !x.rest().is_empty() {
        // Ones where there are values, so that the padding counts nothing.
        let inside = simd.partial_load_f32s(&[1.0; 64][..x.rest().len()]);
        let difference = simd.mul_f32s(simd.sub_f32s(simd.partial_load_f32s(x.rest()), mean), inside);
        squares = simd.mul_add_e_f32s(difference, difference, squares);
    }
    let variance = simd.reduce_sum_f32s(squares) / columns as f32;
    (mean, simd.splat_f32s(1.0 / (variance + epsilon).sqrt()))
}

#[inline(always)]
fn normalised<S: Simd>(simd: S, x: S::f32s, (mean, factor): (S::f32s, S::f32s)) -> S::f32s {
    simd.mul_f32s(simd.sub_f32s(x, mean), factor)
}

/// Some rows of the forward pass.
struct Forward<'a> {
    x: Rows<'a>,
    affine: Affine<'a>,
    after: After<'a>,
    y: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.x.columns();
        let (scale, shift) = (Vectors::new(simd, self.affine.scale), Vectors::new(simd, self.affine.shift));
        for row in self.rows {
            let x = Vectors::new(simd, self.x.row(row));
            let stats = statistics(simd, &x, columns, self.affine.epsilon);
            // SAFETY: the rows of the bands do not overlap.
            let mut y = VectorsMut::new(simd, unsafe { self.y.part(row * columns, columns) });
            match self.after {
                After::Nothing => {
                    for i in 0..vectors::<S>(columns) {
                        let x = normalised(simd, x.at(i), stats);
                        y.set(i, simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)));
                    }
                }
                After::Gelu => {
                    for i in 0..vectors::<S>(columns) {
                        let x = normalised(simd, x.at(i), stats);
                        y.set(i, gelu(simd, simd.mul_add_e_f32s(x, scale.at(i), shift.at(i))));
                    }
                }
                After::Gate(gate) => {
                    let gate = Vectors::new(simd, gate.row(row));
                    for i in 0..vectors::<S>(columns) {
                        let x = normalised(simd, x.at(i), stats);
                        let (silu, _) = silu_and_slope(simd, gate.at(i));
                        y.set(i, simd.mul_f32s(simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)), silu));
                    }
                }
            }
        }
    }
}

/// What followed the normalisation, and what its backward pass writes.
#[derive(Clone, Copy)]
enum AfterBackward<'a> {
    Nothing,
    Gelu,
    Gate { gate: Rows<'a>, dgate: RowsMut<'a>, y: &'a Fresh<'a> },
}

fn backward(x: Rows<'_>, affine: Affine<'_>, after: AfterBackward<'_>, dy: &[f32]) -> NormGradients {
    let columns = x.columns();
    affine.check(columns);
    let len = x.len() * columns;
    assert!(dy.len() == len, "{} gradients for {len} values", dy.len());
    let mut dx = Vec::new();
    let fresh = Fresh::new(&mut dx, len);
    let sums =
        by_bands(x.len(), columns, |rows| Arch::new().dispatch(Backward { x, affine, after, dy, dx: &fresh, rows }));
    // SAFETY: the bands took every row.
    unsafe { dx.set_len(len) };
    NormGradients {
        x: dx,
        scale: total(sums.iter().map(|sums| &sums.0[..]), columns),
        shift: total(sums.iter().map(|sums| &sums.1[..]), columns),
    }
}

/// Some rows of the backward pass; gives their sums for scale and shift, padded.
struct Backward<'a> {
    x: Rows<'a>,
    affine: Affine<'a>,
    after: AfterBackward<'a>,
    dy: &'a [f32],
    dx: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Backward<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let columns = self.x.columns();
        let n = vectors::<S>(columns);
        let (scale, shift) = (Vectors::new(simd, self.affine.scale), Vectors::new(simd, self.affine.shift));
        let zero = simd.splat_f32s(0.0);
        let mut dscale = vec![0.0; n * S::F32_LANES];
        let mut dshift = dscale.clone();
        let dscales: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut dscale);
        let dshifts: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut dshift);
        let share = simd.splat_f32s(1.0 / columns as f32);
        for row in self.rows {
            let x = Vectors::new(simd, self.x.row(row));
            let dy = Vectors::new(simd, &self.dy[row * columns..][..columns]);
            let stats = statistics(simd, &x, columns, self.affine.epsilon);
            // SAFETY: the rows of the bands do not overlap.
            let mut dx = VectorsMut::new(simd, unsafe { self.dx.part(row * columns, columns) });
            let mut sums = (zero, zero);
            let mut add = (&mut *dscales, &mut *dshifts);
            match self.after {
                AfterBackward::Nothing => {
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        dx.set(i, step(simd, i, x, dy.at(i), scale.at(i), &mut sums, &mut add));
                    }
                }
                AfterBackward::Gelu => {
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        let (_, slope) = gelu_and_slope(simd, simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)));
                        let dz = simd.mul_f32s(dy.at(i), slope);
                        dx.set(i, step(simd, i, x, dz, scale.at(i), &mut sums, &mut add));
                    }
                }
                AfterBackward::Gate { gate, dgate, y } => {
                    let gate = Vectors::new(simd, gate.row(row));
                    // SAFETY: as above.
                    let mut dgate = VectorsMut::new(simd, unsafe { dgate.row(row) });
                    // SAFETY: as above.
                    let mut y = VectorsMut::new(simd, unsafe { y.part(row * columns, columns) });
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        let z = simd.mul_add_e_f32s(x, scale.at(i), shift.at(i));
                        let (silu, slope) = silu_and_slope(simd, gate.at(i));
                        let dy = dy.at(i);
                        dgate.set(i, simd.mul_f32s(simd.mul_f32s(dy, z), slope));
                        y.set(i, simd.mul_f32s(z, silu));
                        dx.set(i, step(simd, i, x, simd.mul_f32s(dy, silu), scale.at(i), &mut sums, &mut add));
                    }
                }
            }
            let mean = simd.mul_f32s(simd.splat_f32s(simd.reduce_sum_f32s(sums.0)), share);
            let slope = simd.mul_f32s(simd.splat_f32s(simd.reduce_sum_f32s(sums.1)), share);
            for i in 0..n {
                let x = normalised(simd, x.at(i), stats);
                let centred = simd.sub_f32s(dx.at(i), mean);
                dx.set(i, simd.mul_f32s(simd.negate_mul_add_e_f32s(x, slope, centred), stats.1));
            }
        }
        (dscale, dshift)
    }
}

/// Adds a vector to the sums of its row and columns; gives the gradient of the normalised value.
#[inline(always)]
fn step<S: Simd>(
    simd: S,
    index: usize,
    normalised: S::f32s,
    dz: S::f32s,
    scale: S::f32s,
    sums: &mut (S::f32s, S::f32s),
    (dscale, dshift): &mut (&mut [S::f32s], &mut [S::f32s]),
) -> S::f32s {
    dscale[index] = simd.mul_add_e_f32s(dz, normalised, dscale[index]);
    dshift[index] = simd.add_f32s(dz, dshift[index]);
    let gradient = simd.mul_f32s(dz, scale);
    sums.0 = simd.add_f32s(sums.0, gradient);
    sums.1 = simd.mul_add_e_f32s(gradient, normalised, sums.1);
    gradient
}
