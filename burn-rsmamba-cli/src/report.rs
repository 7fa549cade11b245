//! What the commands tell of scores: how they are counted, and the lines they stand in.

mod images;
#[cfg(test)]
mod tests;

use std::path::Path;

use burn_rsmamba::Precision;
use burn_rsmamba::metrics::{Confusion, ConfusionMatrix};
use burn_rsmamba_datasets::{Crops, DatasetError, baselines};
use serde::Serialize;

pub(crate) use images::{ImageScores, write_csv};

/// The scores of the positive class, counted over a whole split; of several classes the means, but for accuracy and kappa.
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

impl From<&ConfusionMatrix> for Scores {
    fn from(counts: &ConfusionMatrix) -> Self {
        Self {
            precision: counts.mean(Confusion::precision),
            recall: counts.mean(Confusion::recall),
            f1: counts.mean(Confusion::f1),
            iou: counts.mean(Confusion::iou),
            accuracy: counts.accuracy(),
            kappa: counts.kappa(),
        }
    }
}

/// Scores, with the counts they come from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scored {
    /// The scores.
    #[serde(flatten)]
    pub(crate) scores: Scores,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Counts {
    /// The pixels of a mask that count, by kind.
    Mask(Confusion),
    /// Several classes, each against all others, and pixels by true class (rows) and predicted class (columns).
    Classes { classes: Vec<Scores>, confusion: Vec<Vec<u64>> },
}

impl Scored {
    /// The counts of a mask.
    pub(crate) fn mask(&self) -> Option<Confusion> {
        match &self.counts {
            Counts::Mask(counts) => Some(*counts),
            Counts::Classes { .. } => None,
        }
    }
}

impl From<&Confusion> for Scored {
    fn from(counts: &Confusion) -> Self {
        Self { scores: counts.into(), counts: Counts::Mask(*counts) }
    }
}

impl From<&ConfusionMatrix> for Scored {
    fn from(counts: &ConfusionMatrix) -> Self {
        let classes = 0..counts.classes();
        Self {
            scores: counts.into(),
            counts: Counts::Classes {
                classes: classes.clone().map(|class| Scores::from(&counts.class(class))).collect(),
                confusion: classes.map(|class| counts.row(class).to_vec()).collect(),
            },
        }
    }
}

/// How the scores of a split came about; printed with them, as they depend on it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Scoring {
    /// Probability from which a pixel is marked; `null` for several classes.
    pub(crate) threshold: Option<f32>,
    /// Side of the windows, `null` for whole images.
    pub(crate) crop: Option<usize>,
    /// Pixels two neighbouring windows share.
    pub(crate) overlap: usize,
    /// Scenes scored.
    pub(crate) images: usize,
    /// What matrix products and convolutions were computed in: `precision` is a score.
    pub(crate) arithmetic: Precision,
}

/// The scores of a model on a split.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EvalReport {
    /// The scores.
    #[serde(flatten)]
    pub(crate) scored: Scored,
    /// How they came about.
    #[serde(flatten)]
    pub(crate) scoring: Scoring,
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
    pub(crate) scored: Scored,
    /// How they came about.
    #[serde(flatten)]
    pub(crate) scoring: Scoring,
    /// What the scores have to beat; absent for several classes.
    pub(crate) baselines: Option<Baselines>,
    /// Seconds the whole command took.
    pub(crate) seconds: f64,
}

/// What `scores.json` of a run holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunScores<'a> {
    /// The last line of `train`.
    #[serde(flatten)]
    pub(crate) report: &'a TrainReport<'a>,
    /// The scores of each image; none for several classes.
    pub(crate) images_scored: &'a [ImageScores],
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
    ///
    /// # Errors
    ///
    /// When a crop cannot be read.
    pub(crate) fn measure(crops: &Crops) -> Result<Self, DatasetError> {
        let (mut all_positive, mut best_threshold) = (Baseline::default(), Baseline::default());
        for found in baselines::measure(crops)? {
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
        Ok(Self { all_positive, best_threshold })
    }
}
