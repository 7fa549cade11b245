//! The scan as plain f64 loops: the first oracle of every other implementation, and the path for f64 tensors.
//!
//! Written for reading, one formula a line, nothing shared with the fast kernels.

mod omni;
mod scan;

pub use omni::{omni_selective_scan, omni_selective_scan_backward};
pub use scan::{selective_scan, selective_scan_backward};

/// `ln(1 + exp(x))`, linear above 20 as in PyTorch.
fn softplus(x: f64) -> f64 {
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// Derivative of [`softplus`].
fn softplus_grad(x: f64) -> f64 {
    if x > 20.0 { 1.0 } else { 1.0 / (1.0 + (-x).exp()) }
}
