//! `erf`.

use std::path::PathBuf;

use burn_rsmamba::{Directions, Task};
use burn_rsmamba_datasets::Split;
use clap::Args;

use super::values::{directions_parser, parse_count, parse_patches, split_parser, task_parser};

/// Flags of `erf`.
#[derive(Debug, Args)]
pub(crate) struct ErfArgs {
    /// Weights files or run folders, one panel each [default: initial weights of the preset].
    #[arg(long, value_name = "FILE|RUN", num_args = 1..)]
    pub(crate) model: Vec<PathBuf>,

    /// A named size of the model, without `--model`.
    #[arg(long, value_name = "NAME", default_value = "tiny", conflicts_with = "model")]
    pub(crate) preset: String,

    /// Numbers of directions of the preset, one panel each.
    #[arg(long, value_name = "K", num_args = 1.., value_delimiter = ',', default_values = ["1", "2", "4", "8"],
        value_parser = directions_parser(), conflicts_with = "model")]
    pub(crate) directions: Vec<Directions>,

    /// The task that the data is for.
    #[arg(long, value_parser = task_parser(), default_value = "ss")]
    pub(crate) task: Task,

    /// A dataset folder, or `demo`.
    #[arg(long, value_name = "PATH|demo", default_value = "demo")]
    pub(crate) data: String,

    /// The part of the dataset to take crops from.
    #[arg(long, value_name = "NAME", default_value = "test", value_parser = split_parser())]
    pub(crate) split: Split,

    /// Crops whose gradients are averaged.
    #[arg(long, value_name = "N", default_value = "16", value_parser = parse_count)]
    pub(crate) count: usize,

    /// Side of the crops in pixels, a multiple of 32.
    #[arg(long, value_name = "N", default_value = "192", value_parser = parse_patches)]
    pub(crate) size: usize,

    /// The seed of initial weights.
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,

    /// The picture, a PNG: panels from left to right, from black over red and yellow to white by the logarithm of the energy.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,
}
