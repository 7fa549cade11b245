//! One file a verb.

mod bench;
mod data;
mod devices;
mod eval;
mod import;
mod info;
mod predict;
mod report;
mod train;

use burn_rsmamba::ModelMeta;
use burn_rsmamba::inference::Windows;

use crate::cli::{Cli, Command, WindowArgs};
use crate::error::{Failure, Outcome};
use crate::progress::Progress;

/// Runs the verb.
pub(crate) fn run(cli: Cli) -> Outcome {
    let mut progress = Progress::new(cli.quiet);
    match cli.command {
        Command::Train(args) => train::run(&args, &mut progress),
        Command::Eval(args) => eval::run(&args, &mut progress),
        Command::Predict(args) => predict::run(&args, &mut progress),
        Command::Report(args) => report::run(&args),
        Command::Import(args) => import::run(&args, &progress),
        Command::Info(args) => info::run(&args),
        Command::Bench(args) => bench::run(&args, &mut progress),
        Command::Data(command) => data::run(command, &mut progress),
        Command::Devices => devices::run(),
    }
}

/// The windows these flags ask for: by default as large as the crops of the training.
fn windows(args: WindowArgs, meta: &ModelMeta, default_overlap: usize) -> Result<Windows, Failure> {
    if args.whole {
        return Ok(Windows::WHOLE);
    }
    let size = args.crop.unwrap_or(meta.crop);
    let overlap = args.overlap.unwrap_or(default_overlap.min(size / 2));
    if size < 32 {
        return Err(Failure::usage(format!("--crop {size} is too small for the model; use 32 or more")));
    }
    if overlap >= size {
        return Err(Failure::usage(format!("--overlap {overlap} must be smaller than the crop of {size}")));
    }
    Ok(Windows { size: Some(size), overlap, blend: args.blend })
}
