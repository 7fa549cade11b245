//! Layers of the models on channel-last maps, forward and backward.
//!
//! * `rows.rs`: rows of a matrix, possibly some columns of a wider one;
//! * `product.rs`: matrix products over all cores.
//!
//! A map `[B, H, W, C]` is a matrix of `B * H * W` rows. Slices that do not fit their shape are mistakes of the caller and
//! panic.

mod product;
mod rows;

pub use product::{Matrix, product};
pub use rows::{Rows, RowsMut};
