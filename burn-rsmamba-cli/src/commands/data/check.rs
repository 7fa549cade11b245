//! `data check`: opens every file of every split.

use std::collections::BTreeMap;

use burn_rsmamba_datasets::{Split, Statistics, Survey};
use serde::Serialize;

use super::survey;
use crate::cli::DataArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;

/// What was found in a split.
#[derive(Debug, Serialize)]
struct Checked {
    split: String,
    layout: &'static str,
    scenes: usize,
    /// How many images have each size, `WIDTHxHEIGHT`.
    sizes: BTreeMap<String, usize>,
    /// How many have each number of bands and type of sample.
    samples: BTreeMap<String, usize>,
    /// The part of the label pixels that are target.
    target: f64,
    /// The part of the image pixels that show nothing.
    blank: f64,
    warnings: Vec<String>,
    /// What has to be mended, one line a scene.
    problems: Vec<String>,
}

/// Opens every file of every split; prints a JSON line a split, and fails where anything has to be mended.
pub(super) fn check(args: &DataArgs, progress: &mut Progress) -> Outcome {
    let mut found = 0;
    let mut problems = 0;
    for split in Split::ALL {
        let Some((layout, warnings, scenes)) = survey(args, split, progress)? else { continue };
        found += 1;
        let (mut sizes, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let (mut target, mut labelled) = (0, 0);
        let sound = || scenes.iter().filter_map(|scene| scene.as_ref().ok());
        for scene in sound() {
            let Survey { width, height, bands, .. } = scene;
            for kind in &scene.samples {
                *sizes.entry(format!("{width}x{height}")).or_default() += 1;
                *samples.entry(format!("{bands} bands, {kind}")).or_default() += 1;
            }
            target += scene.target;
            labelled += scene.labelled;
        }
        let measured = Statistics::of_surveys(sound());
        let checked = Checked {
            split: split.to_string(),
            layout,
            scenes: scenes.len(),
            sizes,
            samples,
            target: share(target, labelled),
            blank: share(measured.blank, measured.blank + measured.pixels),
            warnings,
            problems: scenes.iter().filter_map(|scene| scene.as_ref().err().map(ToString::to_string)).collect(),
        };
        problems += checked.problems.len();
        print_json(&checked)?;
    }
    if found == 0 {
        return Err(Failure::run(format!("{} has no train, val or test split for task {}", args.data, args.task)));
    }
    if problems > 0 {
        return Err(Failure::run(format!("{problems} scene(s) of {} have to be mended, see `problems`", args.data)));
    }
    Ok(())
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
