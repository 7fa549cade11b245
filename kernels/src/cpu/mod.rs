//! Native f32 kernels for the CPU.
//!
//! * `scan/`: the selective scan;
//! * `layers/`: what the models need beside it, on channel-last maps;
//! * `branches/`: the two branches of an encoder block, made of both;
//! * `lanes.rs`: elementary functions on SIMD lanes;
//! * `memory.rs`: large pages for large arrays, scratch that begins at a cache line;
//! * `shared.rs`: disjoint writes into one output from several threads.
//!
//! Instruction sets are chosen at run time by [`pulp`]. Work is cut by shape alone and partial sums are added in a fixed
//! order, so results are bit-identical at any thread count.

#![expect(
    clippy::inline_always,
    reason = "SIMD code must be compiled inside the function that enables the instruction set"
)]

pub mod branches;
mod lanes;
pub mod layers;
mod memory;
mod scan;
mod shared;

pub use scan::{
    Checkpoints, TILE, omni_selective_scan, omni_selective_scan_backward, omni_selective_scan_backward_from,
    omni_selective_scan_recorded, selective_scan, selective_scan_backward,
};
