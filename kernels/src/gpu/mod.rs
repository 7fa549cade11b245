//! CubeCL kernels for GPUs (CUDA, ROCm, Metal, Vulkan, WebGPU), forward and backward: the scan, and in [`layers`] what the models need
//! beside it.
//!
//! In the scan one unit owns one channel of one batch and group (a direction, in the omnidirectional form) and walks one chunk of the
//! sequence with its N states in registers; neighbouring units own neighbouring channels. In the gradient kernel some units
//! share the states of a channel, so that the states of several steps fit into their registers. What all channels of a cube
//! read of a step (its pixel, its rows of `b`, `c` and the low-rank step) the cube fetches together, a tile of steps at a time,
//! into shared memory. Both forms share every kernel: they differ in strides, in the pixel that a position visits, and in
//! whether the step comes ready or at low rank.
//!
//! | launch | a unit | does |
//! |---|---|---|
//! | `chunk_ends` | (batch, group, chunk, channel) | walks a chunk from a zero state; keeps its last state and its sum of steps |
//! | `carry_states` | (batch, group, state, channel) | hands states from chunk to chunk: a chunk decays what it is given by `exp(a * sum of steps)` |
//! | `scan_chunks` | (batch, group, chunk, channel) | walks a chunk from the state it is given and writes `y` |
//! | `reverse_ends` | as `chunk_ends` | walks a chunk backwards from a zero gradient of its last state |
//! | `scan_gradients` | (batch, group, chunk, channel, some states) | walks a chunk backwards from the gradient that it is given and writes all gradients |
//! | `sum_parts` | an element of the result | adds partial results in a fixed order |
//! | `sum_parameters` | (field, channel, some parts) | the same for the gradients of all parameters |
//!
//! A sequence that is one chunk needs `scan_chunks` alone ([`ScanStrategy`] says when). The backward pass stores states at
//! the start of chunks only and recomputes the ones in between.
//!
//! Nothing is added atomically: what several units add to goes to partial results of their own, or to one partial result
//! in one launch after the other, and `sum_parts` and `sum_parameters` add those in order. Results are bit-identical from run to run.
//!
//! State and accumulation are f32 whatever the element of the tensors.
//!
//! * `scan/`, `layers/`: in each `kernel/`, `#[cube]` code alone, and `launch/`, checks, scratch memory, how many cubes of how many units;
//! * `resources.rs`: buffers, grids and limits of a device.

pub mod layers;
mod resources;
mod scan;

pub use scan::{
    GpuOmniGradients, GpuOmniInputs, GpuScanGradients, GpuScanInputs, ScanStrategy, omni_selective_scan,
    omni_selective_scan_backward, selective_scan, selective_scan_backward,
};
