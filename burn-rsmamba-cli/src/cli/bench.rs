//! `bench`.

use std::fmt;

use burn_rsmamba::{Precision, Task};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::values::{parse_count, parse_size, task_parser};

/// Flags of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The task.
    #[arg(long, value_parser = task_parser(), default_value = "ss")]
    pub(crate) task: Task,

    /// A named size of the model.
    #[arg(long, value_name = "NAME", default_value = "tiny")]
    pub(crate) preset: String,

    /// Side of the square images in pixels.
    #[arg(long, value_name = "N", default_value = "256", value_parser = parse_size)]
    pub(crate) size: usize,

    /// Images, or pairs of dates, at once.
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_count)]
    pub(crate) batch: usize,

    /// What to time.
    #[arg(long, value_enum, default_value_t = BenchMode::Forward)]
    pub(crate) mode: BenchMode,

    /// Compute cheap results again in the backward pass in place of keeping them (`train` and `step`).
    #[arg(long)]
    pub(crate) gradient_checkpointing: bool,

    /// Worker threads [default: the cores].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) threads: Option<usize>,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

    /// What matrix products and convolutions compute in: f32, bf16 or f16, where the device has them.
    #[arg(long, value_name = "P", default_value_t)]
    pub(crate) precision: Precision,

    /// How often to repeat, after one run that warms up.
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_count)]
    pub(crate) repeats: usize,

    /// Print JSON in place of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `bench` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchMode {
    /// One forward pass, as in prediction.
    Forward,
    /// Forward, loss and backward with its gradients.
    Train,
    /// The same and the optimiser's step.
    Step,
}

impl fmt::Display for BenchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Train => "train",
            Self::Step => "step",
        })
    }
}
