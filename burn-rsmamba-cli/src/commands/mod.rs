//! One file a verb.

mod bench;
mod data;
mod devices;
mod erf;
mod eval;
mod export;
mod import;
mod info;
mod predict;
mod report;
mod train;

use std::path::Path;

use burn_rsmamba::inference::Windows;

use crate::cli::{Cli, Command, ObjectArgs, WindowArgs};
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
        Command::Export(args) => export::run(&args, &progress),
        Command::Info(args) => info::run(&args),
        Command::Erf(args) => erf::run(&args, &mut progress),
        Command::Bench(args) => bench::run(&args, &mut progress),
        Command::Data(command) => data::run(command, &mut progress),
        Command::Devices => devices::run(),
    }
}

/// The windows these flags ask for; windows of another side than by default share the same part of it.
fn windows(args: WindowArgs, default: Windows) -> Result<Windows, Failure> {
    let Some(size) = args.window.or(default.size).filter(|_| !args.whole) else {
        return Ok(Windows::WHOLE);
    };
    let overlap = args.overlap.unwrap_or_else(|| default.resized(size).overlap);
    if size < 32 {
        return Err(Failure::usage(format!("--window {size} is too small for the model; use 32 or more")));
    }
    if overlap >= size {
        return Err(Failure::usage(format!("--overlap {overlap} must be smaller than the window of {size}")));
    }
    Ok(Windows { size: Some(size), overlap, blend: args.blend.unwrap_or(default.blend) })
}

/// Of several classes the likeliest is taken: there is no threshold, and what a small object becomes is not defined.
fn refuse_for_several_classes(model: &Path, threshold: Option<f32>, objects: ObjectArgs) -> Outcome {
    let unfit = [("--threshold", threshold.is_some()), ("--min-area", objects.min_area.is_some())];
    match unfit.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::usage(format!(
            "{flag} is for models of one class; {} tells several apart: leave it out",
            model.display()
        ))),
        None => Ok(()),
    }
}
