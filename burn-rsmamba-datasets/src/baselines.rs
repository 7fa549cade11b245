//! What a model has to beat: the best that one threshold on one simple quantity of a pixel can do.
//!
//! The threshold is chosen on the very pixels it is scored on, which no model is allowed to do.

use burn_dataset::Dataset;
use rayon::prelude::*;

use crate::{Crops, DatasetError, Dates, Mask, Sample};

/// The score of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What is compared with the threshold, and from which side.
    pub name: String,
    /// The threshold, in image values scaled to 0..1; `None` where there is none.
    pub threshold: Option<f32>,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Right positives among all that were called positive.
    pub precision: f64,
    /// Right positives among all that are positive.
    pub recall: f64,
    /// Right positives among all that are, or were called, positive.
    pub iou: f64,
}

/// Scores every rule on the counted pixels of a split, best F1 first.
///
/// Always: everything is positive. One date: each band, the mean of the bands and, of the first three bands, red-green,
/// green-blue and excess green. Two dates: the absolute difference of each band, the mean of these, and the same mean
/// after each band of each date was brought to the same mean and deviation over the crop. Values are looked at in 256
/// steps between 0 and 1, from both sides.
///
/// # Errors
/// A file that can no longer be read.
pub fn measure(crops: &Crops) -> Result<Vec<Baseline>, DatasetError> {
    let features = features(crops.dates(), crops.bands());
    let empty = || vec![Histogram::default(); features.len()];
    let histograms = (0..crops.len())
        .into_par_iter()
        .try_fold(empty, |mut histograms, index| {
            count(&crops.get(index)?, &features, &mut histograms);
            Ok(histograms)
        })
        .try_reduce(empty, |left, right| {
            Ok(left.into_iter().zip(right).map(|(left, right)| left.plus(&right)).collect())
        })?;

    let all_positive = features.first().zip(histograms.first()).map(|(_, histogram)| histogram.all_positive());
    let mut baselines: Vec<_> = features.iter().zip(&histograms).map(|(feature, h)| h.best(feature)).collect();
    baselines.extend(all_positive);
    baselines.sort_by(|left, right| right.f1.total_cmp(&left.f1));
    Ok(baselines)
}

struct Feature {
    name: String,
    /// The smallest and largest value.
    range: (f32, f32),
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Band(usize),
    Mean,
    /// One band minus another.
    Difference(usize, usize),
    ExcessGreen,
    Change(usize),
    MeanChange,
    MatchedChange,
}

fn features(dates: Dates, bands: usize) -> Vec<Feature> {
    let band_name = |band: usize| match (bands, band) {
        (1, _) => "grey".to_string(),
        (3, 0..3) => ["red", "green", "blue"][band].to_string(),
        _ => format!("band {}", band + 1),
    };
    let feature = |name: &str, range, kind| Feature { name: name.to_string(), range, kind };
    let mut features = Vec::new();
    match dates {
        Dates::One => {
            features.extend((0..bands).map(|band| feature(&band_name(band), (0.0, 1.0), Kind::Band(band))));
            features.push(feature("mean of bands", (0.0, 1.0), Kind::Mean));
            if bands >= 3 {
                features.push(feature("red - green", (-1.0, 1.0), Kind::Difference(0, 1)));
                features.push(feature("green - blue", (-1.0, 1.0), Kind::Difference(1, 2)));
                features.push(feature("2 green - red - blue", (-2.0, 2.0), Kind::ExcessGreen));
            }
        }
        Dates::Two => {
            let change = |band| feature(&format!("|change of {}|", band_name(band)), (0.0, 1.0), Kind::Change(band));
            features.extend((0..bands).map(change));
            features.push(feature("mean |change|", (0.0, 1.0), Kind::MeanChange));
            features.push(feature("mean |change| of matched dates", (0.0, 4.0), Kind::MatchedChange));
        }
    }
    features
}

impl Feature {
    /// The feature's value at a pixel, given its bands at each date, as one of 256 steps.
    fn step(&self, first: &[f32], second: &[f32], matched: &[Matched]) -> usize {
        let bands = first.len() as f32;
        let changes = || first.iter().zip(second).map(|(a, b)| (a - b).abs());
        let value = match self.kind {
            Kind::Band(band) => first[band],
            Kind::Mean => first.iter().sum::<f32>() / bands,
            Kind::Difference(a, b) => first[a] - first[b],
            Kind::ExcessGreen => 2.0 * first[1] - first[0] - first[2],
            Kind::Change(band) => (first[band] - second[band]).abs(),
            Kind::MeanChange => changes().sum::<f32>() / bands,
            Kind::MatchedChange => {
                let pairs = first.iter().zip(second).zip(matched);
                pairs.map(|((&a, &b), matched)| matched.change(a, b)).sum::<f32>() / bands
            }
        };
        let (low, high) = self.range;
        ((value - low) / (high - low) * 255.0).round().clamp(0.0, 255.0) as usize
    }

    /// The value halfway between a step and the one below.
    fn edge(&self, step: usize) -> f32 {
        let (low, high) = self.range;
        low + (step as f32 - 0.5) / 255.0 * (high - low)
    }
}

/// Mean and deviation of one band at both dates.
struct Matched {
    mean: [f32; 2],
    deviation: [f32; 2],
}

impl Matched {
    fn of(first: &[f32], second: &[f32], pixels: &[usize]) -> Self {
        let count = pixels.len().max(1) as f64;
        let moments = |plane: &[f32]| {
            let mean = pixels.iter().map(|&i| f64::from(plane[i])).sum::<f64>() / count;
            let variance = pixels.iter().map(|&i| (f64::from(plane[i]) - mean).powi(2)).sum::<f64>() / count;
            (mean as f32, variance.sqrt().max(1e-6) as f32)
        };
        let ((first_mean, first_deviation), (second_mean, second_deviation)) = (moments(first), moments(second));
        Self { mean: [first_mean, second_mean], deviation: [first_deviation, second_deviation] }
    }

    fn change(&self, first: f32, second: f32) -> f32 {
        ((first - self.mean[0]) / self.deviation[0] - (second - self.mean[1]) / self.deviation[1]).abs()
    }
}

fn count(sample: &Sample, features: &[Feature], histograms: &mut [Histogram]) {
    let area = sample.height * sample.width;
    let counted = sample.counted.indices(sample.width);
    let pixels: Vec<usize> = counted.filter(|&index| sample.label[index] != Mask::IGNORED).collect();
    let plane = |date: usize, band: usize| &sample.images[date][band * area..][..area];
    let second_date = sample.images.len() - 1;
    let matched: Vec<_> = match second_date {
        0 => Vec::new(),
        _ => (0..sample.bands).map(|band| Matched::of(plane(0, band), plane(second_date, band), &pixels)).collect(),
    };
    let (mut first, mut second) = (vec![0.0; sample.bands], vec![0.0; sample.bands]);
    for index in pixels {
        for band in 0..sample.bands {
            first[band] = plane(0, band)[index];
            second[band] = plane(second_date, band)[index];
        }
        let truth = usize::from(Mask::is_target(sample.label[index]));
        for (feature, histogram) in features.iter().zip(histograms.iter_mut()) {
            histogram.0[truth][feature.step(&first, &second, &matched)] += 1;
        }
    }
}

/// Pixels by truth (0 negative, 1 positive) and step of a feature.
#[derive(Clone)]
struct Histogram([[u64; 256]; 2]);

impl Default for Histogram {
    fn default() -> Self {
        Self([[0; 256]; 2])
    }
}

impl Histogram {
    fn plus(mut self, other: &Self) -> Self {
        let values = self.0.as_flattened_mut().iter_mut();
        values.zip(other.0.as_flattened()).for_each(|(left, right)| *left += right);
        self
    }

    fn totals(&self) -> [u64; 2] {
        self.0.map(|steps| steps.iter().sum())
    }

    fn all_positive(&self) -> Baseline {
        let [negatives, positives] = self.totals();
        Baseline::new("all positive".to_string(), None, positives, negatives, positives)
    }

    fn best(&self, feature: &Feature) -> Baseline {
        let [negatives, positives] = self.totals();
        let (mut above, mut best) = ([negatives, positives], None::<Baseline>);
        for step in 0..256 {
            let edge = Some(feature.edge(step));
            let below = [negatives - above[0], positives - above[1]];
            for (side, [wrong, right]) in [("above", above), ("below", below)] {
                let found = Baseline::new(format!("{} {side}", feature.name), edge, right, wrong, positives);
                if best.as_ref().is_none_or(|best| found.f1 > best.f1) {
                    best = Some(found);
                }
            }
            above = [above[0] - self.0[0][step], above[1] - self.0[1][step]];
        }
        best.unwrap_or_else(|| self.all_positive())
    }
}

impl Baseline {
    fn new(name: String, threshold: Option<f32>, right: u64, wrong: u64, positives: u64) -> Self {
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Self {
            name,
            threshold,
            f1: ratio(2 * right, right + wrong + positives),
            precision: ratio(right, right + wrong),
            recall: ratio(right, positives),
            iou: ratio(right, wrong + positives),
        }
    }
}
