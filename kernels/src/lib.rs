//! Selective scan kernels for burn-rsmamba, without Burn.
//!
//! Two forms of the same recurrence (Mamba, arXiv 2312.00752, equations 2a and 2b after discretisation):
//!
//! ```text
//! dt = softplus(delta + delta_bias)
//! h[n] <- exp(dt * a[n]) * h[n] + dt * b[n] * u        (h starts at 0)
//! y    =  sum_n c[n] * h[n] + skip * u
//! ```
//!
//! * the **plain** form scans sequences laid out `[batch, groups * channels, length]`;
//! * the **omnidirectional** form scans one channel-last map `[batch, height, width, channels]` along several pixel
//!   orders at once ([`Directions`]) and sums what every direction leaves at a pixel, without expanding the map.
//!
//! Where to find things: *what* is computed is in [`definition`] (shapes, inputs, gradients, errors, pixel orders), the
//! readable f64 loops are in [`mod@reference`], the fast f32 kernels are in [`cpu`]; with the feature `cubecl`, `gpu` has
//! kernels for every runtime of CubeCL.
//!
//! Every entry point checks its slices against the shape before it computes and returns a [`ScanError`] that names the
//! argument, what was expected and what came.

pub mod cpu;
pub mod definition;
#[cfg(feature = "cubecl")]
pub mod gpu;
pub mod reference;

pub use definition::{
    Directions, OmniGradients, OmniInputs, OmniNeeds, OmniShape, ScanError, ScanGradients, ScanInputs, ScanNeeds,
    ScanShape,
};
