//! `data`: datasets looked at and prepared, one file a tool.

mod check;
mod compare;
mod place;
mod preview;
mod sample;
mod source;
mod split;
mod stats;
mod tile;

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{DatasetError, DatasetWarning, Split, Survey, Unpaired};
use rayon::prelude::*;

use crate::cli::{DataArgs, DataCommand};
use crate::data;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;

/// Runs the tool.
pub(super) fn run(command: DataCommand, progress: &mut Progress) -> Outcome {
    match command {
        DataCommand::Check(args) => check::check(&args, progress),
        DataCommand::Stats(args) => stats::stats(&args, progress),
        DataCommand::Tile(args) => tile::run(&args, progress),
        DataCommand::Split(args) => split::run(&args, progress),
        DataCommand::Sample(args) => sample::run(&args, progress),
        DataCommand::Preview(args) => preview::run(&args, progress),
        DataCommand::Compare(args) => compare::run(&args, progress),
    }
}

/// The scenes of a split, looked at.
struct Surveyed {
    layout: &'static str,
    warnings: Vec<String>,
    /// Files without partners, where they are not allowed: every one.
    unpaired: Vec<String>,
    scenes: Vec<Result<Survey, DatasetError>>,
}

/// What the scenes of a split are like, or what is wrong with them; nothing for a split that is not there. Of their pixels no more
/// than some rows of a few scenes are in memory.
fn survey(args: &DataArgs, split: Split, progress: &mut Progress) -> Result<Option<Surveyed>, Failure> {
    let task: Task = args.task;
    let mut unpaired = Vec::new();
    let set = match data::scenes(&args.data, task, split, args.label.allow_unpaired) {
        Err(DatasetError::MissingSplit { .. }) => return Ok(None),
        Err(DatasetError::Unpaired(found)) => {
            unpaired.extend(found.iter().flat_map(every));
            // What is paired is looked at all the same.
            data::scenes(&args.data, task, split, true)
        }
        found => found,
    };
    let set = set?.with_label_rule(&args.label.rule());
    progress.start(split.to_string(), set.scenes.len());
    let scenes = set
        .scenes
        .par_iter()
        .map(|scene| {
            progress.advance(scene.name.as_str());
            scene.survey()
        })
        .collect();
    progress.finish();
    let told = |warning: &&DatasetWarning| unpaired.is_empty() || !matches!(warning, DatasetWarning::Unpaired(_));
    let warnings = set.warnings.iter().filter(told).map(ToString::to_string).collect();
    Ok(Some(Surveyed { layout: set.layout, warnings, unpaired, scenes }))
}

/// A line for each file without a partner.
fn every(Unpaired { place, what, names }: &Unpaired) -> impl Iterator<Item = String> {
    names
        .0
        .iter()
        .map(move |name| format!("{} has no {what} for {name}; add it, or remove its partner", place.display()))
}
