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
use burn_rsmamba_datasets::{DatasetError, LabelRule, Split, Survey};
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

type Surveyed = (&'static str, Vec<String>, Vec<Result<Survey, DatasetError>>);

/// What the scenes of a split are like, or what is wrong with them; nothing for a split that is not there. Of their pixels no more
/// than some rows of a few scenes are in memory.
fn survey(args: &DataArgs, split: Split, progress: &mut Progress) -> Result<Option<Surveyed>, Failure> {
    let task: Task = args.task;
    let rule: &LabelRule = &args.label.label_rule;
    let set = match data::scenes(&args.data, task, split, args.label.allow_unpaired) {
        Ok(set) => set.with_label_rule(rule),
        Err(DatasetError::MissingSplit { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
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
    let warnings = set.warnings.iter().map(ToString::to_string).collect();
    Ok(Some((set.layout, warnings, scenes)))
}
