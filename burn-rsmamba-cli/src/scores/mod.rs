//! What the commands tell of scores: how they are counted, and the lines they stand in.

mod images;
#[cfg(test)]
mod tests;

use std::ops::AddAssign;
use std::path::Path;

use burn_rsmamba::Precision;
use burn_rsmamba::inference::{Blend, Windows};
use burn_rsmamba::metrics::{Confusion, ConfusionMatrix};
use burn_rsmamba_datasets::{CropOptions, Crops, DatasetError, baselines};
use serde::{Deserialize, Serialize};

use crate::mapping::Mapper;
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

/// Pixels that count, by what is asked of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Counts {
    /// Those of a mask, by kind.
    Mask(Confusion),
    /// Of several classes, by true class (rows) and predicted class (columns).
    Classes { confusion: ConfusionMatrix },
}

impl Counts {
    /// No pixels yet, of a model with so many logits a pixel.
    pub(crate) fn new(logits: usize) -> Self {
        if logits == 1 {
            Self::Mask(Confusion::default())
        } else {
            Self::Classes { confusion: ConfusionMatrix::new(logits) }
        }
    }

    /// Counts pixels by the class that was found and the true one; of a mask, 1 is marked.
    pub(crate) fn count(&mut self, pixels: impl Iterator<Item = (u8, u8)> + Clone) {
        let (found, truth) = (pixels.clone().map(|(found, _)| found), pixels.map(|(_, truth)| truth));
        match self {
            Self::Mask(counts) => {
                *counts += Confusion::count(found.map(|class| class > 0), truth.map(|class| class > 0));
            }
            Self::Classes { confusion } => confusion.count(found.map(usize::from), truth.map(usize::from)),
        }
    }

    /// The scores: of several classes the means, but for accuracy and kappa.
    pub(crate) fn scores(&self) -> Scores {
        match self {
            Self::Mask(counts) => counts.into(),
            Self::Classes { confusion } => confusion.into(),
        }
    }

    /// Each class against all others; of a mask background and target.
    pub(crate) fn classes(&self) -> Vec<Confusion> {
        match self {
            Self::Mask(counts) => {
                let Confusion { tp, fp, fn_, tn } = *counts;
                vec![Confusion { tp: tn, fp: fn_, fn_: fp, tn: tp }, *counts]
            }
            Self::Classes { confusion } => (0..confusion.classes()).map(|class| confusion.class(class)).collect(),
        }
    }

    /// The share of pixels that are wrong: F1 would say nothing of an image without a target.
    pub(crate) fn wrong(&self) -> f64 {
        if self.total() == 0 { 0.0 } else { 1.0 - self.scores().accuracy }
    }

    /// All pixels.
    pub(crate) fn total(&self) -> u64 {
        match self {
            Self::Mask(counts) => counts.total(),
            Self::Classes { confusion } => confusion.total(),
        }
    }
}

impl AddAssign<&Self> for Counts {
    /// # Panics
    ///
    /// When they are of different models.
    fn add_assign(&mut self, other: &Self) {
        match (self, other) {
            (Self::Mask(counts), Self::Mask(other)) => *counts += *other,
            (Self::Classes { confusion }, Self::Classes { confusion: other }) => *confusion += other,
            _ => panic!("counts of a mask and of several classes"),
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
    pub(crate) counts: Counts,
    /// Each class against all others; of a mask background and target.
    classes: Vec<Scores>,
    /// Of a mask, the means over background and target.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<Scores>,
}

impl From<Counts> for Scored {
    fn from(counts: Counts) -> Self {
        let classes = counts.classes();
        let mean = match counts {
            Counts::Mask(_) => {
                let mean = |score: fn(&Confusion) -> f64| classes.iter().map(score).sum::<f64>() / classes.len() as f64;
                Some(Scores {
                    precision: mean(Confusion::precision),
                    recall: mean(Confusion::recall),
                    f1: mean(Confusion::f1),
                    iou: mean(Confusion::iou),
                    accuracy: mean(Confusion::accuracy),
                    kappa: mean(Confusion::kappa),
                })
            }
            Counts::Classes { .. } => None,
        };
        Self { scores: counts.scores(), classes: classes.iter().map(Scores::from).collect(), mean, counts }
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
    /// How overlapping windows are brought together.
    pub(crate) blend: Blend,
    /// Whether flips and rotations are averaged.
    pub(crate) tta: bool,
    /// The least pixels of an object; smaller ones were taken away first.
    pub(crate) min_area: Option<u64>,
    /// Whether holes smaller than that were filled.
    pub(crate) fill_holes: bool,
    /// The ratio by which images and labels were made smaller.
    pub(crate) downsample: usize,
    /// Whether crops without image content were left out.
    pub(crate) skip_blank: bool,
    /// Scenes scored.
    pub(crate) images: usize,
    /// What matrix products and convolutions were computed in: `precision` is a score.
    pub(crate) arithmetic: Precision,
}

impl Scoring {
    /// Of a model as it is put to work on these scenes; of one of several classes the likeliest is taken, at no threshold.
    pub(crate) fn new(mapper: &Mapper<'_>, crops: &Crops, arithmetic: Precision) -> Self {
        let Windows { size, overlap, blend } = mapper.windows;
        let CropOptions { downsample, skip_blank, .. } = crops.options();
        Self {
            threshold: (mapper.model.classes() == 1).then_some(mapper.threshold),
            crop: size,
            overlap,
            blend,
            tta: mapper.augmented,
            min_area: mapper.sieve.map(|(least, _)| least),
            fill_holes: mapper.sieve.is_some_and(|(_, fill_holes)| fill_holes),
            downsample,
            skip_blank,
            images: crops.scene_count(),
            arithmetic,
        }
    }
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
    /// The scores of each image.
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
