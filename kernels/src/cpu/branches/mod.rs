//! The two residual branches of an encoder block on channel-last maps, forward and backward.
//!
//! * `ossm.rs`: `x + s OSSM(LN x)`, the scan branch;
//! * `mlp.rs`: `x + s MLP(LN x)`.
//!
//! Each keeps for its backward pass only what is dear to compute again; normalisations and activations are recomputed. `s` is
//! a factor a sample: stochastic depth's.

mod mlp;
mod ossm;

pub use mlp::{MlpGradients, MlpInputs, mlp, mlp_backward};
pub use ossm::{OssmGradients, OssmInputs, OssmKept, OssmShape, ossm, ossm_backward};

use rayon::prelude::*;

/// Values that are worth a task of their own.
const PIECE: usize = 1 << 14;

/// Multiplies the rows of each sample by its factor; `values` holds the samples one after the other.
fn scale_samples(values: &mut [f32], scale: Option<&[f32]>) {
    let Some(scale) = scale else { return };
    let sample = values.len() / scale.len();
    for (values, &factor) in values.chunks_exact_mut(sample.max(1)).zip(scale) {
        values.par_chunks_mut(PIECE).for_each(|values| values.iter_mut().for_each(|value| *value *= factor));
    }
}

/// `dy` as the branch sees it: times the factors of the samples.
fn branch_gradient<'a>(dy: &'a [f32], scale: Option<&[f32]>) -> std::borrow::Cow<'a, [f32]> {
    if scale.is_none() {
        return dy.into();
    }
    let mut scaled = dy.to_vec();
    scale_samples(&mut scaled, scale);
    scaled.into()
}

/// Adds the gradient that goes around the branch.
fn add_residual(dx: &mut [f32], dy: &[f32]) {
    dx.par_chunks_mut(PIECE).zip(dy.par_chunks(PIECE)).for_each(|(dx, dy)| {
        for (dx, dy) in dx.iter_mut().zip(dy) {
            *dx += dy;
        }
    });
}
