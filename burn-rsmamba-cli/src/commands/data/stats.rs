//! `data stats`: what the bands of the training split are like.

use burn_rsmamba_datasets::{Split, Statistics};
use serde::Serialize;

use super::{Surveyed, survey};
use crate::cli::DataArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    split: String,
    mean: Vec<f32>,
    std: Vec<f32>,
    pixels: u64,
    blank: u64,
}

/// Prints mean and deviation of the training split, as `--normalisation measured` would take them.
pub(super) fn stats(args: &DataArgs, progress: &mut Progress) -> Outcome {
    let Some(Surveyed { warnings, unpaired, scenes, .. }) = survey(args, Split::Train, progress)? else {
        return Err(Failure::run(format!("{} has no train split for task {}", args.data, args.task)));
    };
    for warning in &warnings {
        progress.warn(warning);
    }
    if !unpaired.is_empty() {
        return Err(Failure::run(format!("{}; or allow unpaired files (--allow-unpaired)", unpaired.join("; "))));
    }
    let scenes = scenes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let measured = Statistics::of_surveys(&scenes);
    print_json(&Measured {
        split: Split::Train.to_string(),
        mean: measured.mean,
        std: measured.std,
        pixels: measured.pixels,
        blank: measured.blank,
    })?;
    Ok(())
}
