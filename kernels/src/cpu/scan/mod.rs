//! The selective scan, plain and omnidirectional.
//!
//! * `tile.rs`: the recurrence itself, forward and backward, over a tile of steps held in cache;
//! * `block.rs`: a block of neighbouring channels, its parameters and operands in lanes;
//! * `forward.rs`, `backward.rs`: walk a block along its whole sequence, tile by tile; the backward spreads over the cores;
//! * `plain.rs`, `omni.rs`: how each form lays out its operands, and its public functions.
//!
//! The lanes of a SIMD register hold neighbouring channels; states are a loop. States are recomputed in the backward pass
//! from one checkpoint every [`TILE`] steps.

mod backward;
mod block;
mod forward;
mod omni;
mod plain;
mod tile;

pub use omni::{omni_selective_scan, omni_selective_scan_backward};
pub use plain::{selective_scan, selective_scan_backward};

/// Steps of a tile: its states and decays for 16 states and 8 lanes fill 32 KiB.
pub const TILE: usize = 32;
