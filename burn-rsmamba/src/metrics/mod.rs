//! Scores counted over a whole split, never averaged over batches.
//!
//! [`Confusion`] counts a binary mask, [`ConfusionMatrix`] several classes, [`ThresholdSweep`] every threshold at once.
//! All of them are sums of pixels: they can be filled in any order, in parts, and added.

mod confusion;
mod matrix;
mod sweep;

pub use confusion::Confusion;
pub use matrix::ConfusionMatrix;
pub use sweep::{Swept, ThresholdSweep};
