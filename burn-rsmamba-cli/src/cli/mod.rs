//! The command line as clap sees it: verbs, flags and their help. One file a verb, as in `commands`.

#[cfg(test)]
mod tests;

mod bench;
mod data;
mod erf;
mod eval;
mod export;
mod import;
mod info;
mod labels;
mod min_area;
mod objects;
mod predict;
mod report;
mod train;
mod values;
mod windows;

use clap::{Parser, Subcommand};

pub(crate) use bench::{BenchArgs, BenchMode};
pub(crate) use data::{CompareArgs, DataArgs, DataCommand, PreviewArgs, SampleArgs, SourceArgs, SplitArgs, TileArgs};
pub(crate) use erf::ErfArgs;
pub(crate) use eval::EvalArgs;
pub(crate) use export::ExportArgs;
pub(crate) use import::ImportArgs;
pub(crate) use info::InfoArgs;
pub(crate) use labels::LabelArgs;
pub(crate) use min_area::MinArea;
pub(crate) use objects::ObjectArgs;
pub(crate) use predict::PredictArgs;
pub(crate) use report::ReportArgs;
pub(crate) use train::TrainArgs;
pub(crate) use values::{
    LARGEST_SIDE, MOST, MOST_WORKERS, parse_count, parse_label_rule, parse_number, parse_seed, parse_size,
    parse_threshold, parse_workers, task_parser,
};
pub(crate) use windows::WindowArgs;

const AFTER_HELP: &str = "\
Start here:
  burn-rsmamba-cli train --data demo --out runs/demo
  burn-rsmamba-cli eval --model runs/demo --data demo --split test
  burn-rsmamba-cli predict --model runs/demo --input IMAGES --out maps

Data goes to stdout as JSON, messages and progress to stderr. Without --json, info and bench
print tables; train --print-config prints TOML.
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
    /// Show a run as one page: curves, scores, pictures and settings.
    Report(ReportArgs),
    /// Turn a `.pth` checkpoint of the official code into our weights file.
    Import(ImportArgs),
    /// Write a model's weights for the official PyTorch code.
    Export(ExportArgs),
    /// Tell what a weights file says of its model, and count parameters and multiply-adds.
    Info(InfoArgs),
    /// Draw the effective receptive field of models.
    Erf(ErfArgs),
    /// Time a model on this machine and measure its memory.
    Bench(BenchArgs),
    /// Look at a dataset and prepare it: check, tile, split, sample, preview, compare.
    #[command(subcommand)]
    Data(DataCommand),
    /// List what this build can run on.
    Devices,
}
