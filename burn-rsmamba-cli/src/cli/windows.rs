//! Windows, for `eval` and `predict`.

use burn_rsmamba::inference::Blend;
use clap::Args;

use super::values::{parse_blend, parse_size};

/// How an image is cut into windows.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WindowArgs {
    /// Side of the windows in pixels [default: predict the model's, eval the crop it was trained on].
    #[arg(long, visible_alias = "crop", value_name = "N", value_parser = parse_size)]
    pub(crate) window: Option<usize>,

    /// Pixels two neighbouring windows share [default: predict the model's share of a window, eval 0].
    #[arg(long, value_name = "N", conflicts_with = "whole")]
    pub(crate) overlap: Option<usize>,

    /// How probabilities are brought together where windows overlap: none, linear or cosine [default: the model's].
    #[arg(long, value_name = "HOW", value_parser = parse_blend)]
    pub(crate) blend: Option<Blend>,

    /// Take every image in one piece.
    #[arg(long, conflicts_with = "window")]
    pub(crate) whole: bool,

    /// Mean of the eight flips and rotations of each window, with one class also of two dates in reversed order. It takes 8 or 16
    /// times as long.
    #[arg(long)]
    pub(crate) tta: bool,
}
