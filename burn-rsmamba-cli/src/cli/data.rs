//! `data`.

use std::str::FromStr;

use burn_rsmamba::Task;
use burn_rsmamba_datasets::LabelRule;
use clap::{Args, Subcommand};

use super::values::task_parser;

/// Tools for datasets.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Open every file of every split: sizes, samples, target and blank pixels, and what has to be mended.
    Check(DataArgs),
    /// Measure mean and deviation of each band of the training split.
    Stats(DataArgs),
}

/// Flags of the tools.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// A dataset folder, or `demo`.
    #[arg(long, value_name = "PATH|demo")]
    pub(crate) data: String,

    /// Segmentation (ss) or change detection (cd).
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Task,

    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.., channel:BAND or classes:N.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = LabelRule::from_str)]
    pub(crate) label_rule: LabelRule,

    /// Leave out files without partners (an image without label, a date that is missing) in place of refusing them.
    #[arg(long)]
    pub(crate) allow_unpaired: bool,
}
