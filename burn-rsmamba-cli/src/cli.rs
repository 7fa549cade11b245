//! The command line as clap sees it: verbs, flags and their help.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use burn_rsmamba::inference::Blend;
use burn_rsmamba::{Directions, Task};
use burn_rsmamba_datasets::{LabelRule, Split};

use crate::config::Flags;

const AFTER_HELP: &str = "\
Start here:
  burn-rsmamba-cli train --data demo --out runs/demo
  burn-rsmamba-cli eval --model runs/demo --data demo --split test
  burn-rsmamba-cli predict --model runs/demo --input IMAGES --out maps

Data goes to stdout as JSON, messages and progress to stderr.
Exit codes: 0 done, 1 data or run error, 2 usage.";

/// Train, evaluate and run RS-Mamba on remote-sensing images.
#[derive(Debug, Parser)]
#[command(name = "burn-rsmamba-cli", bin_name = "burn-rsmamba-cli", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show no progress and no messages, only warnings and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model and score it on the test split.
    Train(Box<TrainArgs>),
    /// Score a model on a split.
    Eval(EvalArgs),
    /// Mark buildings, roads or changes in images of any size.
    Predict(PredictArgs),
    /// Turn a `.pth` checkpoint of the official code into our weights file.
    Import(ImportArgs),
    /// Count the parameters and multiply-adds of a model.
    Info(InfoArgs),
    /// Time a model on this machine and measure its memory.
    Bench(BenchArgs),
    /// Look at a dataset: is everything there and readable, what are its values like?
    #[command(subcommand)]
    Data(DataCommand),
    /// List what this build can run on.
    Devices,
}

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

    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.. or channel:BAND.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = LabelRule::from_str)]
    pub(crate) label_rule: LabelRule,
}

/// Flags of `train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The run folder to write: config, metrics, checkpoints, pictures.
    #[arg(long, value_name = "RUN", required_unless_present = "print_config")]
    pub(crate) out: Option<PathBuf>,

    /// Settings file in TOML; flags win over it. The `config.toml` of a run folder repeats that run.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(crate) config: Option<PathBuf>,

    /// Continue the run in `--out` where it stopped.
    #[arg(long, conflicts_with = "force")]
    pub(crate) resume: bool,

    /// Overwrite the run in `--out`.
    #[arg(long)]
    pub(crate) force: bool,

    /// Print the settings these flags lead to, as TOML, and stop.
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Settings that a config file may hold too.
    #[command(flatten)]
    pub(crate) flags: Flags,

    /// Any other setting of the config file, e.g. `--set beta_1=0.8` or `--set model.drop_path=0`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_assignment)]
    pub(crate) assignments: Vec<(String, String)>,
}

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

    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.. or channel:BAND.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = LabelRule::from_str)]
    pub(crate) label_rule: LabelRule,

    /// Expect a model of this task, and refuse another.
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Option<Task>,

    /// Also write the scores to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Probability from which a pixel is marked [default: the model's].
    #[arg(long, value_name = "T", value_parser = parse_threshold::<f32>)]
    pub(crate) threshold: Option<f32>,

    /// How each image is cut before it goes through the model.
    #[command(flatten)]
    pub(crate) windows: WindowArgs,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,
}

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

/// Flags of `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A weights file, or a run folder (its best weights are taken).
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) model: PathBuf,

    /// An image, or a folder of images (the first date for change detection).
    #[arg(long, value_name = "PATH")]
    pub(crate) input: PathBuf,

    /// The second date, for change detection: an image, or a folder with the same names.
    #[arg(long, value_name = "PATH")]
    pub(crate) input2: Option<PathBuf>,

    /// Folder for the masks, `STEM_mask.png` each.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the probabilities, `STEM_prob.tif` (32-bit floats).
    #[arg(long)]
    pub(crate) prob: bool,

    /// Also write the image with the mask over it, `STEM_overlay.png`.
    #[arg(long)]
    pub(crate) overlay: bool,

    /// Probability from which a pixel is marked [default: the model's].
    #[arg(long, value_name = "T", value_parser = parse_threshold::<f32>)]
    pub(crate) threshold: Option<f32>,

    /// How each image is cut before it goes through the model.
    #[command(flatten)]
    pub(crate) windows: WindowArgs,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

    /// Overwrite files in `--out`.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The checkpoint: a `.pth` of the official code, or a safetensors file with its names.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,

    /// The weights file to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) to: PathBuf,

    /// Scan directions, where the shapes leave a choice: 8, 4, 2 or 1 [default: from the shapes].
    #[arg(long, value_name = "N", value_parser = directions_parser())]
    pub(crate) directions: Option<Directions>,

    /// Overwrite `--to`.
    #[arg(long)]
    pub(crate) force: bool,
}

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

    /// Worker threads [default: the cores].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) threads: Option<usize>,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

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

/// Accepts `ss` and `cd`.
pub(crate) fn task_parser() -> impl TypedValueParser<Value = Task> {
    PossibleValuesParser::new(["ss", "cd"]).try_map(|name| name.parse::<Task>())
}

fn split_parser() -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(["train", "val", "test"]).try_map(|name| name.parse::<Split>())
}

/// Accepts the sizes of the direction sets.
fn directions_parser() -> impl TypedValueParser<Value = Directions> {
    PossibleValuesParser::new(["8", "4", "2", "1"]).try_map(|count| {
        count.parse().ok().and_then(Directions::from_count).ok_or_else(|| format!("no set of {count} directions"))
    })
}

/// A side of a crop: at least one pixel.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a zero-sized crop holds nothing; use 32 or more".into()),
        Ok(size) => Ok(size),
        Err(_) => Err("expected a number of pixels".into()),
    }
}

/// A number of things: at least one.
pub(crate) fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| "expected a number from 1 on".into())
}

/// A rule for labels, checked and left as text.
pub(crate) fn parse_label_rule(text: &str) -> Result<String, String> {
    text.parse::<LabelRule>().map(|rule| rule.to_string())
}

/// A way to blend, by its name.
fn parse_blend(text: &str) -> Result<Blend, String> {
    let found = Blend::ALL.into_iter().find(|(_, name)| *name == text);
    found.map(|(blend, _)| blend).ok_or_else(|| "expected none, linear or cosine".into())
}

/// A probability strictly between 0 and 1.
pub(crate) fn parse_threshold<T: FromStr + Copy + Into<f64>>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(value) if value.into() > 0.0 && value.into() < 1.0 => Ok(value),
        _ => Err("expected a probability between 0 and 1".into()),
    }
}

fn parse_image_size(text: &str) -> Result<(usize, usize), String> {
    let sides =
        text.split_once(['x', 'X']).and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    match sides {
        Some((height, width)) if height >= 32 && width >= 32 => Ok((height, width)),
        Some(_) => Err("images start at 32x32".into()),
        None => Err("expected height x width, e.g. 256x256".into()),
    }
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "expected KEY=VALUE".into())
}
