//! `data`: looks at a dataset before anything is trained on it.

use std::collections::BTreeMap;

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{DatasetError, LabelRule, LoadedScene, Pixels, Split, statistics};
use serde::Serialize;

use crate::cli::{DataArgs, DataCommand};
use crate::data;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::print_json;

/// What `check` found in a split.
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

/// What `stats` measured.
#[derive(Debug, Serialize)]
struct Measured {
    split: String,
    mean: Vec<f32>,
    std: Vec<f32>,
    pixels: u64,
    blank: u64,
}

/// Runs the tool.
pub(super) fn run(command: DataCommand, progress: &mut Progress) -> Outcome {
    match command {
        DataCommand::Check(args) => check(&args, progress),
        DataCommand::Stats(args) => stats(&args, progress),
    }
}

/// Opens every file of every split; prints a JSON line a split, and fails where anything has to be mended.
fn check(args: &DataArgs, progress: &mut Progress) -> Outcome {
    let mut found = 0;
    let mut problems = 0;
    for split in Split::ALL {
        let Some((layout, warnings, scenes)) = load(args, split, progress)? else { continue };
        found += 1;
        let (mut sizes, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let (mut target, mut labelled) = (0_usize, 0_usize);
        let loaded: Vec<LoadedScene> = scenes.iter().filter_map(|scene| scene.as_ref().ok().cloned()).collect();
        for scene in &loaded {
            for image in &scene.images {
                *sizes.entry(format!("{}x{}", image.width, image.height)).or_default() += 1;
                let kind = match image.pixels {
                    Pixels::U8(_) => "8-bit",
                    Pixels::U16(_) => "16-bit",
                    Pixels::F32(_) => "float",
                };
                *samples.entry(format!("{} bands, {kind}", image.bands)).or_default() += 1;
            }
            if let Some(label) = &scene.label {
                target += label.target();
                labelled += label.data.len();
            }
        }
        let measured = statistics(&loaded);
        let checked = Checked {
            split: split.to_string(),
            layout,
            scenes: scenes.len(),
            sizes,
            samples,
            target: share(target as u64, labelled as u64),
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

/// Prints mean and deviation of the training split, as `--normalisation measured` would take them.
fn stats(args: &DataArgs, progress: &mut Progress) -> Outcome {
    let Some((_, warnings, scenes)) = load(args, Split::Train, progress)? else {
        return Err(Failure::run(format!("{} has no train split for task {}", args.data, args.task)));
    };
    warnings.iter().for_each(|warning| progress.warn(warning));
    let scenes = scenes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let measured = statistics(&scenes);
    print_json(&Measured {
        split: Split::Train.to_string(),
        mean: measured.mean,
        std: measured.std,
        pixels: measured.pixels,
        blank: measured.blank,
    })?;
    Ok(())
}

type Loaded = (&'static str, Vec<String>, Vec<Result<LoadedScene, DatasetError>>);

/// The scenes of a split, each loaded or with what is wrong with it; nothing for a split that is not there.
fn load(args: &DataArgs, split: Split, progress: &mut Progress) -> Result<Option<Loaded>, Failure> {
    let task: Task = args.task;
    let rule: &LabelRule = &args.label_rule;
    let set = match data::scenes(&args.data, task, split, args.allow_unpaired) {
        Ok(set) => set.with_label_rule(rule),
        Err(DatasetError::MissingSplit { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    progress.start(split.to_string(), set.scenes.len());
    let scenes = set
        .scenes
        .iter()
        .map(|scene| {
            progress.advance(scene.name.as_str());
            scene.load()
        })
        .collect();
    progress.finish();
    let warnings = set.warnings.iter().map(ToString::to_string).collect();
    Ok(Some((set.layout, warnings, scenes)))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
