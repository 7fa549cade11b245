//! The GPU kernels on whatever adapter wgpu finds, or on CUDA, against the f64 reference.

#[path = "gpu/mod.rs"]
mod gpu;
