//! `data check`: opens every file of every split.

use std::collections::BTreeMap;

use burn_rsmamba_datasets::{DatasetError, Split, Statistics, Survey};
use serde::Serialize;

use super::{Surveyed, survey};
use crate::cli::DataArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;

/// Values of labels in the table; JSON has all of them.
const VALUES_SHOWN: usize = 8;

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
    /// How many have an alpha band, which is left out.
    #[serde(skip_serializing_if = "is_zero")]
    alpha: usize,
    /// The part of the label pixels that count that is target.
    target: f64,
    /// The part of each class; without classes, of background and target.
    classes: Vec<f64>,
    /// The part of the label pixels that counts nowhere.
    ignored: f64,
    /// Pixels of each value that label files hold.
    label_values: BTreeMap<String, u64>,
    /// The part of the image pixels that show nothing.
    blank: f64,
    warnings: Vec<String>,
    /// What has to be mended, one line a scene.
    problems: Vec<String>,
}

/// Opens every file of every split; prints a JSON line a split and a table beside, and fails where anything has to be mended.
pub(super) fn check(args: &DataArgs, progress: &mut Progress) -> Outcome {
    let mut found = 0;
    let mut problems = 0;
    for split in Split::ALL {
        let Some(Surveyed { layout, warnings, unpaired, scenes }) = survey(args, split, progress)? else { continue };
        found += 1;
        let checked = Checked::of(split, layout, &scenes, warnings, unpaired);
        problems += checked.problems.len();
        progress.info(table(&checked));
        print_json(&checked)?;
    }
    if found == 0 {
        return Err(Failure::run(format!("{} has no train, val or test split for task {}", args.data, args.task)));
    }
    if problems > 0 {
        return Err(Failure::run(format!("{problems} problem(s) of {} have to be mended, see `problems`", args.data)));
    }
    Ok(())
}

impl Checked {
    fn of(
        split: Split,
        layout: &'static str,
        scenes: &[Result<Survey, DatasetError>],
        warnings: Vec<String>,
        unpaired: Vec<String>,
    ) -> Self {
        let sound = || scenes.iter().filter_map(|scene| scene.as_ref().ok());
        let (mut sizes, mut samples, mut label_values) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut classes, mut ignored) = (Vec::new(), 0);
        for scene in sound() {
            let Survey { width, height, bands, .. } = scene;
            for kind in &scene.samples {
                *sizes.entry(format!("{width}x{height}")).or_default() += 1;
                *samples.entry(format!("{bands} bands, {kind}")).or_default() += 1;
            }
            for (value, count) in &scene.values {
                *label_values.entry(value.clone()).or_default() += count;
            }
            classes.resize(scene.classes.len().max(classes.len()), 0);
            classes.iter_mut().zip(&scene.classes).for_each(|(sum, count)| *sum += count);
            ignored += scene.ignored;
        }
        let labelled: u64 = classes.iter().sum();
        let measured = Statistics::of_surveys(sound());
        let broken = scenes.iter().filter_map(|scene| scene.as_ref().err().map(ToString::to_string));
        Self {
            split: split.to_string(),
            layout,
            scenes: scenes.len(),
            sizes,
            samples,
            alpha: sound().map(|scene| scene.alpha).sum(),
            target: share(classes.iter().skip(1).sum(), labelled),
            classes: classes.iter().map(|&count| share(count, labelled)).collect(),
            ignored: share(ignored, ignored + labelled),
            label_values,
            blank: share(measured.blank, measured.blank + measured.pixels),
            warnings,
            problems: unpaired.into_iter().chain(broken).collect(),
        }
    }
}

/// What people look for first, a line each.
fn table(checked: &Checked) -> String {
    let counts = |counts: &BTreeMap<String, usize>| {
        let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} of {what}")).collect();
        if counts.is_empty() { "none".into() } else { counts.join("; ") }
    };
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let pixels: u64 = checked.label_values.values().sum();
    let shown = checked.label_values.iter().take(VALUES_SHOWN);
    let mut values: Vec<String> =
        shown.map(|(value, &count)| format!("{value} ({})", percent(share(count, pixels)))).collect();
    if checked.label_values.len() > VALUES_SHOWN {
        values.push(format!("{} more", checked.label_values.len() - VALUES_SHOWN));
    }
    let classes: Vec<String> =
        checked.classes.iter().enumerate().map(|(class, &share)| format!("{class}: {}", percent(share))).collect();
    let mut rows = vec![
        ("split", format!("{} ({} layout)", checked.split, checked.layout)),
        ("scenes", checked.scenes.to_string()),
        ("image sizes", counts(&checked.sizes)),
        ("samples", counts(&checked.samples)),
        ("label values", values.join(", ")),
        ("classes", format!("{}; ignored {}", classes.join(", "), percent(checked.ignored))),
        ("blank", percent(checked.blank)),
        ("problems", checked.problems.len().to_string()),
    ];
    if checked.alpha > 0 {
        rows.insert(4, ("alpha", format!("left out of {} images", checked.alpha)));
    }
    rows.iter().map(|(name, value)| format!("{name:<14}{value}")).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
