//! Weights files that mean harm: each ends in one line of error that names the file, in little time and memory.

#![expect(clippy::print_stdout, reason = "the figures of a run belong into its output")]

#[path = "hostile/mod.rs"]
mod hostile;
