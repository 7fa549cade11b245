//! The models: parity with the official code, sizes, training, weights in and out.

#[path = "models/mod.rs"]
mod models;
