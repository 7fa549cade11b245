//! Layer normalisation, with what follows it in RS-Mamba.

mod backward;
mod forward;
mod statistics;

use super::{Rows, RowsMut, bands::Fresh};
use backward::{AfterBackward, backward};
use forward::{After, forward};

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
    pub(in crate::cpu::layers) fn check(&self, columns: usize) {
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
    let gradients = backward(x, affine, AfterBackward::Gate { gate, dgate: &dgate, y: &Fresh::new(&mut y, len) }, dy);
    // SAFETY: `backward` took every row of `y`.
    unsafe { y.set_len(len) };
    (gradients, y)
}

fn assert_same(x: &Rows<'_>, other: (usize, usize)) {
    let shape = (x.len(), x.columns());
    assert!(shape == other, "rows and columns {shape:?} of the input, {other:?} of the gate");
}
