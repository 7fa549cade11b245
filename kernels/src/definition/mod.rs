//! What a scan is: its shapes, inputs, gradients, pixel orders and errors.

mod directions;
mod error;
mod omni;
mod scan;

pub use directions::Directions;
pub use error::ScanError;
#[cfg(feature = "cubecl")]
pub(crate) use error::{check_dimensions, check_length};
pub use omni::{OmniGradients, OmniInputs, OmniNeeds, OmniShape};
pub use scan::{ScanGradients, ScanInputs, ScanNeeds, ScanShape};
