//! `info`.

use std::path::PathBuf;

use burn_rsmamba::Task;
use clap::Args;

use super::values::{parse_image_size, task_parser};

/// Flags of `info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The task of a preset.
    #[arg(long, value_parser = task_parser(), required_unless_present = "model")]
    pub(crate) task: Option<Task>,

    /// A named size, e.g. `tiny`, the paper's.
    #[arg(long, value_name = "NAME", required_unless_present = "model", conflicts_with = "model")]
    pub(crate) preset: Option<String>,

    /// A weights file, or a run folder, in place of a preset.
    #[arg(long, value_name = "FILE|RUN", conflicts_with = "task")]
    pub(crate) model: Option<PathBuf>,

    /// The image size to count for, height by width.
    #[arg(long, value_name = "HxW", default_value = "256x256", value_parser = parse_image_size)]
    pub(crate) size: (usize, usize),

    /// Print JSON in place of a table.
    #[arg(long)]
    pub(crate) json: bool,
}
