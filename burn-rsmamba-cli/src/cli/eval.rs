//! `eval`.

use std::path::PathBuf;

use burn_rsmamba::{Precision, Task};
use burn_rsmamba_datasets::Split;
use clap::{ArgAction, Args};

use super::values::{parse_count, parse_threshold, split_parser, task_parser};
use super::{LabelArgs, ObjectArgs, WindowArgs};

/// Flags of `eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// A weights file, or a run folder (its best weights are taken).
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) model: PathBuf,

    /// A dataset folder, or `demo`.
    #[arg(long, value_name = "PATH|demo")]
    pub(crate) data: String,

    /// The part of the dataset to score.
    #[arg(long, value_name = "NAME", value_parser = split_parser())]
    pub(crate) split: Split,

    /// What labels mean.
    #[command(flatten)]
    pub(crate) label: LabelArgs,

    /// Label pixels of this value count nowhere.
    #[arg(long, value_name = "VALUE")]
    pub(crate) ignore_index: Option<u16>,

    /// Make images and labels smaller by this ratio first [default: as the model was trained].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) downsample: Option<usize>,

    /// Leave out crops without image content (white or black borders of a tile).
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub(crate) skip_blank: bool,

    /// Expect a model of this task, and refuse another.
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Option<Task>,

    /// Also write the scores to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also write a table of the scores of each image, and of each of several classes in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,

    /// Also write a map of errors of each image to this folder, `STEM_errors.png`: white is rightly marked, red wrongly,
    /// blue is missed, orange is of another class, black is rightly not marked, grey does not count.
    #[arg(long, value_name = "DIR")]
    pub(crate) maps: Option<PathBuf>,

    /// Probability from which a pixel is marked [default: the model's].
    #[arg(long, value_name = "T", value_parser = parse_threshold::<f32>)]
    pub(crate) threshold: Option<f32>,

    /// What happens to small objects.
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,

    /// How each image is cut before it goes through the model.
    #[command(flatten)]
    pub(crate) windows: WindowArgs,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

    /// What matrix products and convolutions compute in: f32, bf16 or f16, where the device has them.
    #[arg(long, value_name = "P", default_value_t)]
    pub(crate) precision: Precision,
}
