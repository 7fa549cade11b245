//! The scan: see [`gpu`](crate::gpu) for its launches.
//!
//! * `kernel/`: `#[cube]` code alone; * `launch/`: checks, scratch memory, how many cubes of how many units;
//! * `blueprint.rs`: what is known when a kernel is compiled, and the strategy.

mod blueprint;
mod kernel;
mod launch;

pub use blueprint::ScanStrategy;
pub(super) use blueprint::UnitCut;
pub use launch::{
    GpuOmniGradients, GpuOmniInputs, GpuScanGradients, GpuScanInputs, omni_selective_scan,
    omni_selective_scan_backward, selective_scan, selective_scan_backward,
};
