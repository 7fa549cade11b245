//! Host side: checks, scratch memory and how many cubes of how many units each kernel gets.

mod backward;
mod forward;
mod geometry;
mod omni;
mod plain;
mod problem;

pub use omni::{GpuOmniGradients, GpuOmniInputs, omni_selective_scan, omni_selective_scan_backward};
pub use plain::{GpuScanGradients, GpuScanInputs, selective_scan, selective_scan_backward};
