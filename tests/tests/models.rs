//! The models: parity with the official code, sizes, training, weights in and out.

#![expect(clippy::print_stdout, reason = "the figures of a run belong into its output")]

#[path = "models/mod.rs"]
mod models;
