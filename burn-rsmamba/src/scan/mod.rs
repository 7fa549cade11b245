//! The selective scan as a Burn backend extension.
//!
//! * what it is: `ops.rs`, the [`SelectiveScan`] and [`SelectiveScanBackward`] traits and their operands;
//! * how to call it: `function.rs`, [`selective_scan`] and [`omni_selective_scan`] over [`Tensor`](burn::Tensor);
//! * who runs it: `backends/<name>.rs`;
//! * what it means: [`mod@reference`], the same functions composed from Burn's own operations (`composed/`), which are also the
//!   traits' default bodies;
//! * how to build with it: [`mod@guide`], a Mamba block, what the op costs, its limits.

#![cfg_attr(any(feature = "ndarray", feature = "tch"), allow(deprecated, reason = "Burn deprecates both backends"))]

mod backends;
mod check;
mod composed;
mod function;
mod ops;
pub mod reference;

/// The default bodies of [`SelectiveScanBackward`], for a backend that wants one of them and for tests.
pub mod default_backward {
    pub use super::composed::{omni_selective_scan_backward, selective_scan_backward};
}

#[doc = include_str!("guide.md")]
pub mod guide {}

pub use check::supports_dtype;
pub use function::{ScanOptions, omni_selective_scan, selective_scan, selective_scan_with_state};
#[cfg(all(feature = "fusion", feature = "models", feature = "cubecl-backend"))]
pub(crate) use ops::OptionalTensorMetadata;
pub use ops::{
    OmniGradientTensors, OmniTensors, OptionalTensor, ScanGradientTensors, ScanTensors, SelectiveScan,
    SelectiveScanBackward,
};
