//! `data check`: opens every file of every split.

use std::collections::BTreeMap;

use burn_rsmamba_datasets::{LoadedScene, Pixels, Split, statistics};
use serde::Serialize;

use super::load;
use crate::cli::DataArgs;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::print_json;

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

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
