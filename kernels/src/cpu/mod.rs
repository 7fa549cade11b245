//! Native f32 kernels for the CPU.
//!
//! * `lanes.rs`: exp, softplus and sigmoid on SIMD lanes;
//! * `tile.rs`: the recurrence itself, forward and backward, over a tile of steps held in cache;
//! * `block.rs`: a block of neighbouring channels, its parameters and operands in lanes;
//! * `forward.rs`, `backward.rs`: walk a block along its whole sequence, tile by tile; the backward spreads over the cores;
//! * `plain.rs`, `omni.rs`: how each form lays out its operands, and its public functions;
//! * `shared.rs`: disjoint writes into one output from several threads.
//!
//! The lanes of a SIMD register hold neighbouring channels; states are a loop. Instruction sets are chosen at run time by
//! [`pulp`]. States are recomputed in the backward pass from one checkpoint every [`TILE`] steps. Work is
//! cut by shape alone and partial sums are added in a fixed order, so results are bit-identical at any thread count.

#![expect(
    clippy::inline_always,
    reason = "SIMD code must be compiled inside the function that enables the instruction set"
)]

mod backward;
mod block;
mod forward;
mod lanes;
mod omni;
mod plain;
mod shared;
mod tile;

pub use omni::{omni_selective_scan, omni_selective_scan_backward};
pub use plain::{selective_scan, selective_scan_backward};

/// Steps of a tile: its states and decays for 16 states and 8 lanes fill 32 KiB.
pub const TILE: usize = 32;
