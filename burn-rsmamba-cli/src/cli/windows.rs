//! Windows, for `eval` and `predict`.

use burn_rsmamba::inference::Blend;
use clap::Args;

use super::values::{parse_blend, parse_size};

/// How an image is cut into windows.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WindowArgs {
    /// Side of the windows in pixels [default: the crop the model was trained on].
    #[arg(long, value_name = "N", value_parser = parse_size)]
    pub(crate) crop: Option<usize>,

    /// Pixels two neighbouring windows share [default: eval 0, predict crop / 4].
    #[arg(long, value_name = "N", conflicts_with = "whole")]
    pub(crate) overlap: Option<usize>,

    /// How probabilities are brought together where windows overlap: none, linear or cosine.
    #[arg(long, value_name = "HOW", default_value = "cosine", value_parser = parse_blend)]
    pub(crate) blend: Blend,

    /// Take every image in one piece.
    #[arg(long, conflicts_with = "crop")]
    pub(crate) whole: bool,
}
