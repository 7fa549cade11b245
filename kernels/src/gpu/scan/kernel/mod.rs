//! The kernels. Tensors are contiguous buffers; [`ScanLayout`] has the strides.
//!
//! Shapes in the comments: B batch, G groups or directions, D channels of a group, N states, R rank, L steps, C chunks,
//! P parts. The operands' shapes are those of the plain form; the omnidirectional form reads the same buffers at other
//! strides.

// Kernel code is a language of its own: arguments are bindings, conditions on the blueprint are resolved when the kernel is
// compiled and stay apart from conditions of the unit, iterators do not exist, and the macro names the element types that it
// defines `_elements`.
#![allow(
    clippy::assign_op_pattern,
    clippy::collapsible_else_if,
    clippy::collapsible_if,
    clippy::manual_div_ceil,
    clippy::too_many_arguments,
    clippy::trivially_copy_pass_by_ref,
    clippy::used_underscore_binding
)]

mod carry;
mod chunks;
mod ends;
mod gradients;
mod items;
mod layout;
mod step;
mod sum;
mod tile;
mod unit;

pub(super) use carry::carry_states;
pub(super) use chunks::scan_chunks;
pub(super) use ends::{chunk_ends, reverse_ends};
pub(super) use gradients::scan_gradients;
pub(super) use layout::{ScanLayout, ScanLayoutLaunch};
pub(super) use sum::{sum_parameters, sum_parts};
