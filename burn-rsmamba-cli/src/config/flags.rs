//! The settings that have a flag of their own.

use std::path::PathBuf;
use std::str::FromStr;

use burn_rsmamba::{Precision, Task};
use clap::Args;
use serde::Serialize;

use super::{LossName, NonFinite, Scaling, Threshold};
use crate::cli::{parse_count, parse_label_rule, parse_number, parse_seed, parse_size, parse_workers, task_parser};

/// The flags of `train` that set a key of the config; the field names are the keys.
#[derive(Clone, Debug, Default, Args, Serialize)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Flags {
    /// Segmentation (ss) or change detection (cd) [demo: ss].
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Option<Task>,
    /// A dataset folder, or `demo` for generated scenes (a folder of that name is `./demo`).
    #[arg(long, value_name = "PATH|demo")]
    pub(crate) data: Option<String>,
    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.., channel:BAND, classes:N or
    /// ignore:VALUE:RULE [default: auto].
    #[arg(long, value_name = "RULE", value_parser = parse_label_rule)]
    pub(crate) label_rule: Option<String>,
    /// Leave out files without partners (an image without label, a date that is missing) in place of refusing them.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) allow_unpaired: Option<bool>,
    /// Label pixels of this value count nowhere.
    #[arg(long, value_name = "VALUE")]
    pub(crate) ignore_index: Option<u16>,
    /// The architecture.
    #[command(flatten)]
    pub(crate) model: ModelFlags,
    /// What bands are scaled by: imagenet, or measured on the training split [default: imagenet].
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) normalisation: Option<Scaling>,
    /// A named model size, e.g. `tiny`, the paper's [default: tiny; demo: a small one].
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Start from these weights, of a file (ours or official) or a run folder, in place of random ones.
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) init_from: Option<PathBuf>,
    /// Where to run; see `devices` [default: cpu].
    #[arg(long, value_name = "D")]
    pub(crate) device: Option<String>,
    /// What matrix products and convolutions compute in: f32, or bf16 where the device has it [default: f32].
    #[arg(long, value_name = "P")]
    pub(crate) precision: Option<Precision>,
    /// Seed of everything random [default: 42].
    #[arg(long, value_name = "N", value_parser = parse_seed)]
    pub(crate) seed: Option<u64>,
    /// Passes over the training crops [default: 300; demo: 30].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) epochs: Option<usize>,
    /// Stop training after this many minutes, then score the best weights as usual.
    #[arg(long, value_name = "M")]
    pub(crate) max_minutes: Option<f64>,
    /// Crops that go through the model together [default: 2; demo: 8].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) batch: Option<usize>,
    /// Batches whose gradients make one step [default: 1].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) accumulate: Option<usize>,
    /// Side of the crops in pixels [default: 256; demo: 64].
    #[arg(long, value_name = "N", value_parser = parse_size)]
    pub(crate) crop: Option<usize>,
    /// Part of the crops without any marked pixel that an epoch takes [default: 1].
    #[arg(long, value_name = "PART")]
    pub(crate) keep_empty: Option<f64>,
    /// Part of the crops of an epoch that have a marked pixel, in place of what the data has.
    #[arg(long, value_name = "PART")]
    pub(crate) positive: Option<f64>,
    /// Move crops at random by up to half their side [default: false].
    #[arg(long, value_name = "BOOL")]
    pub(crate) shift: Option<bool>,
    /// Make images and labels smaller by this ratio first [default: 1].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) downsample: Option<usize>,
    /// Flip and transpose at random [default: true].
    #[arg(long, value_name = "BOOL")]
    pub(crate) augment: Option<bool>,
    /// Change brightness and contrast at random, this strongly: 0 to 1 [default: 0].
    #[arg(long, value_name = "S")]
    pub(crate) jitter: Option<f64>,
    /// Threads that decode crops ahead; results are the same for any number [default: 2].
    #[arg(long, value_name = "N", value_parser = parse_workers)]
    pub(crate) workers: Option<usize>,
    /// Keep decoded images in this folder and read crops from there.
    #[arg(long, value_name = "DIR")]
    pub(crate) decoded: Option<PathBuf>,
    /// What training minimises [default: bce-dice].
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) loss: Option<LossName>,
    /// What the cross-entropy of marked pixels is multiplied by, with bce-dice [default: 1].
    #[arg(long, value_name = "W")]
    pub(crate) pos_weight: Option<f64>,
    /// The weight of each class, with ce-dice and focal; one class has two, of unmarked and marked pixels.
    #[arg(long, value_name = "W,W,..", value_delimiter = ',')]
    pub(crate) class_weights: Option<Vec<f64>>,
    /// Learning rate after the warm-up [default: 0.001; demo: 0.004].
    #[arg(long)]
    pub(crate) lr: Option<f64>,
    /// Weight decay [default: 0.001].
    #[arg(long, value_name = "W")]
    pub(crate) weight_decay: Option<f64>,
    /// Steps over which the learning rate rises [default: 1000; demo: 50].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) warmup_steps: Option<usize>,
    /// Validations without a better F1 before the learning rate falls [default: 12].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) patience: Option<usize>,
    /// Part of the run, at its end, over which the learning rate falls to zero [default: 0; demo: 0.4].
    #[arg(long, value_name = "PART")]
    pub(crate) cooldown: Option<f64>,
    /// Largest norm of all gradients together [default: 1].
    #[arg(long, value_name = "X")]
    pub(crate) clip_norm: Option<f64>,
    /// What to do when a loss or gradient is no number: stop, or skip the step [default: stop].
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) nonfinite: Option<NonFinite>,
    /// Compute parts of the forward pass twice to save memory [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) gradient_checkpointing: Option<bool>,
    /// Train the decoder and the head alone [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) freeze_encoder: Option<bool>,
    /// First epoch that is validated [default: 10; demo: 4].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) validate_from: Option<usize>,
    /// Epochs between validations [default: 5; demo: 4].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) validate_every: Option<usize>,
    /// End early after this many validations without a better F1; without it, never.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) early_stop: Option<usize>,
    /// Weights kept of the best validations [default: 1].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) keep_best: Option<usize>,
    /// Epochs between checkpoints [default: 10; demo: 4].
    #[arg(long, value_name = "N", value_parser = parse_number)]
    pub(crate) checkpoint_every: Option<usize>,
    /// Probability from which a pixel is marked, or `best`: the best F1 on the validation split [default: best].
    #[arg(long, value_name = "T|best", value_parser = Threshold::from_str)]
    pub(crate) threshold: Option<Threshold>,
}

/// The flags of the section `model`.
#[derive(Clone, Debug, Default, Args, Serialize)]
pub(crate) struct ModelFlags {
    /// Classes, if more than target or not; labels hold their index.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) classes: Option<usize>,
}
