//! What the commands print on stdout: JSON, one object a line.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use burn_rsmamba::metrics::Confusion;
use burn_rsmamba_datasets::{Crops, baselines};
use serde::Serialize;

/// The scores of the positive class, counted over a whole split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Scores {
    /// TP / (TP + FP).
    pub(crate) precision: f64,
    /// TP / (TP + FN).
    pub(crate) recall: f64,
    /// The harmonic mean of precision and recall.
    pub(crate) f1: f64,
    /// TP / (TP + FP + FN).
    pub(crate) iou: f64,
    /// (TP + TN) / all.
    pub(crate) accuracy: f64,
    /// Cohen's kappa.
    pub(crate) kappa: f64,
}

impl From<&Confusion> for Scores {
    fn from(counts: &Confusion) -> Self {
        Self {
            precision: counts.precision(),
            recall: counts.recall(),
            f1: counts.f1(),
            iou: counts.iou(),
            accuracy: counts.accuracy(),
            kappa: counts.kappa(),
        }
    }
}

/// The scores of a model on a split, with the counts and the settings they depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EvalReport {
    /// The scores.
    #[serde(flatten)]
    pub(crate) scores: Scores,
    /// The pixels that count, by kind.
    #[serde(flatten)]
    pub(crate) counts: Confusion,
    /// Probability from which a pixel is marked.
    pub(crate) threshold: f32,
    /// Side of the windows, `null` for whole images.
    pub(crate) crop: Option<usize>,
    /// Pixels two neighbouring windows share.
    pub(crate) overlap: usize,
    /// Scenes scored.
    pub(crate) images: usize,
}

impl EvalReport {
    /// The report of these counts.
    pub(crate) fn new(counts: &Confusion, threshold: f32, crop: Option<usize>, overlap: usize, images: usize) -> Self {
        Self { scores: counts.into(), counts: *counts, threshold, crop, overlap, images }
    }
}

/// The last line of `train`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrainReport<'a> {
    /// The run folder.
    pub(crate) run: &'a Path,
    /// The epoch whose weights were scored.
    pub(crate) best_epoch: Option<usize>,
    /// The split that was scored.
    pub(crate) split: String,
    /// The scores.
    #[serde(flatten)]
    pub(crate) scores: Scores,
    /// Probability from which a pixel is marked.
    pub(crate) threshold: f32,
    /// What the scores have to beat.
    pub(crate) baselines: Baselines,
    /// Seconds the whole command took.
    pub(crate) seconds: f64,
}

/// The last line of a `train` that the user stopped.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stopped<'a> {
    /// The run folder.
    pub(crate) run: &'a Path,
    /// Always true.
    pub(crate) interrupted: bool,
    /// The epoch that goes on with `--resume`.
    pub(crate) epoch: usize,
    /// The best epoch so far.
    pub(crate) best_epoch: Option<usize>,
}

/// What simple rules score on the same pixels.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Baselines {
    /// Every pixel marked.
    pub(crate) all_positive: Baseline,
    /// The best threshold on one colour, or on the difference of the dates; chosen on the split it is scored on.
    pub(crate) best_threshold: Baseline,
}

/// The scores of one rule.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Baseline {
    /// What is compared.
    pub(crate) rule: String,
    /// What with, where there is something.
    pub(crate) threshold: Option<f32>,
    /// TP / (TP + FP).
    pub(crate) precision: f64,
    /// TP / (TP + FN).
    pub(crate) recall: f64,
    /// The harmonic mean of precision and recall.
    pub(crate) f1: f64,
    /// TP / (TP + FP + FN).
    pub(crate) iou: f64,
}

impl Baselines {
    /// Measures the rules on the pixels of these crops.
    pub(crate) fn measure(crops: &Crops) -> Self {
        let (mut all_positive, mut best_threshold) = (Baseline::default(), Baseline::default());
        for found in baselines::measure(crops) {
            let place = if found.threshold.is_none() { &mut all_positive } else { &mut best_threshold };
            // The best comes first.
            if place.rule.is_empty() {
                *place = Baseline {
                    rule: found.name,
                    threshold: found.threshold,
                    precision: found.precision,
                    recall: found.recall,
                    f1: found.f1,
                    iou: found.iou,
                };
            }
        }
        Self { all_positive, best_threshold }
    }
}

/// Prints one JSON line on stdout.
///
/// # Errors
///
/// When stdout cannot be written.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints one line on stdout.
///
/// # Errors
///
/// When stdout cannot be written.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}

/// Writes one JSON line to a file.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
