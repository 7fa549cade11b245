//! The selective scan, plain and omnidirectional.
//!
//! * `tile.rs`, `gradient.rs`: the recurrence itself, forward and backward, over a tile of steps held in cache;
//! * `step.rs`: the step of a tile, expanded from its low rank, and the gradients of that expansion;
//! * `block.rs`: a block of neighbouring channels, its parameters and operands in lanes;
//! * `forward.rs`, `backward.rs`: walk blocks along their whole sequence, tile by tile; the backward spreads over the cores;
//! * `segment.rs`: blocks that go back together, and one tile of them;
//! * `checkpoints.rs`: states that a forward pass may leave for the backward pass;
//! * `parts.rs`: how the directions of a map are shared out, each share with a partial map of its own;
//! * `plain.rs`, `omni.rs`: how each form lays out its operands, and its public functions.
//!
//! The lanes of a SIMD register hold neighbouring channels; states are a loop over chunks that stay in registers. States
//! are recomputed in the backward pass from one checkpoint every [`TILE`] steps.

/// Repeats a block for `n` in `0..count` (a constant up to 16), written out: LLVM leaves bodies of this size as loops,
/// and an array that a loop indexes never becomes registers.
macro_rules! unroll {
    ($count:expr, $n:ident, $body:block) => {
        unroll!(@ $count, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $count:expr, $n:ident, $body:block, $($index:literal)*) => {
        $(if $index < $count {
            let $n = $index;
            $body
        })*
    };
}

mod backward;
mod block;
mod checkpoints;
mod forward;
mod gradient;
mod omni;
mod parts;
mod plain;
mod segment;
mod step;
#[cfg(test)]
mod tests;
mod tile;

pub use checkpoints::Checkpoints;
pub use omni::{
    omni_selective_scan, omni_selective_scan_backward, omni_selective_scan_backward_from, omni_selective_scan_recorded,
};
pub use plain::{selective_scan, selective_scan_backward};

/// Steps of a tile, and the distance of the checkpoints that the backward pass keeps.
pub const TILE: usize = 32;
