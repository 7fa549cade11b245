//! The CPU kernels against the f64 reference, and the reference against finite differences.

#[path = "kernels/mod.rs"]
mod kernels;
