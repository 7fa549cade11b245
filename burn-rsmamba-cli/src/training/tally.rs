//! What the pixels of a split's crops add up to.

use burn::Tensor;
use burn_rsmamba::metrics::{Confusion, ConfusionMatrix, ThresholdSweep};
use burn_rsmamba_datasets::{Mask, Sample};

use crate::config::Threshold;
use crate::scores::Scores;

/// Counts of pixels, by what is asked of them.
#[derive(Debug)]
pub(crate) enum Tally {
    /// One class, marked from a known threshold on.
    Fixed(f64, Confusion),
    /// One class, marked from the best threshold on.
    Swept(ThresholdSweep),
    /// Several classes, of which the likeliest is taken.
    Classes(ConfusionMatrix),
}

impl Tally {
    /// No pixels yet, of a model with so many logits a pixel.
    pub(crate) fn new(logits: usize, threshold: Threshold) -> Self {
        match threshold {
            _ if logits > 1 => Self::Classes(ConfusionMatrix::new(logits)),
            Threshold::Fixed(threshold) => Self::Fixed(threshold, Confusion::default()),
            Threshold::Swept(_) => Self::Swept(ThresholdSweep::default()),
        }
    }

    /// Counts the pixels of these crops that count, given their logits `[B, K, H, W]`.
    ///
    /// # Errors
    ///
    /// When the logits cannot be fetched.
    pub(crate) fn add(&mut self, samples: &[Sample], logits: Tensor<4>) -> anyhow::Result<()> {
        let values = values(logits)?;
        match self {
            Self::Fixed(threshold, counts) => {
                // A pixel is marked from this logit on, which saves the sigmoid.
                let least = (*threshold / (1.0 - *threshold)).ln() as f32;
                for (logits, label, pixels) in crops(samples, &values) {
                    let marked = pixels.clone().map(|pixel| logits[pixel] >= least);
                    *counts += Confusion::count(marked, pixels.map(|pixel| label[pixel] == 1));
                }
            }
            Self::Swept(sweep) => {
                for (logits, label, pixels) in crops(samples, &values) {
                    let probabilities = pixels.clone().map(|pixel| 1.0 / (1.0 + (-logits[pixel]).exp()));
                    sweep.count(probabilities, pixels.map(|pixel| label[pixel] == 1));
                }
            }
            Self::Classes(counts) => count_classes(counts, samples, &values),
        }
        Ok(())
    }

    /// The scores, and the threshold they belong to where there is one.
    pub(crate) fn scores(&self) -> (Scores, Option<f32>) {
        match self {
            Self::Fixed(threshold, counts) => (counts.into(), Some(*threshold as f32)),
            Self::Swept(sweep) => {
                let best = sweep.best();
                ((&best.counts).into(), Some(best.threshold))
            }
            Self::Classes(counts) => (counts.into(), None),
        }
    }
}

/// Counts the likeliest class of each pixel that counts.
fn count_classes(counts: &mut ConfusionMatrix, samples: &[Sample], values: &[f32]) {
    for (logits, label, pixels) in crops(samples, values) {
        let likeliest = |pixel: usize| {
            let logit = |class: usize| logits[class * label.len() + pixel];
            (1..logits.len() / label.len()).fold(0, |best, class| if logit(class) > logit(best) { class } else { best })
        };
        counts.count(pixels.clone().map(likeliest), pixels.map(|pixel| usize::from(label[pixel])));
    }
}

/// Logits on this side.
///
/// # Errors
///
/// When they cannot be fetched.
fn values(logits: Tensor<4>) -> anyhow::Result<Vec<f32>> {
    Ok(logits.into_data().convert::<f32>().try_into_vec::<f32>()?)
}

/// For each crop its logits, its label, and the pixels that count.
fn crops<'a>(
    samples: &'a [Sample],
    values: &'a [f32],
) -> impl Iterator<Item = (&'a [f32], &'a [u8], impl Iterator<Item = usize> + Clone)> {
    samples.iter().zip(values.chunks_exact(values.len() / samples.len())).map(|(sample, logits)| {
        let label = sample.label.as_slice();
        let pixels = sample.counted.indices(sample.width).filter(move |&pixel| label[pixel] != Mask::IGNORED);
        (logits, label, pixels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use burn_rsmamba_datasets::Window;

    /// Two crops of 1×4 pixels, of which the last pixel of the first lies outside and one is ignored.
    fn crops(labels: [[u8; 4]; 2]) -> Vec<Sample> {
        let sample = |label: [u8; 4], right: usize| Sample {
            name: "scene".into(),
            y: 0,
            x: 0,
            height: 1,
            width: 4,
            bands: 1,
            images: vec![vec![0.0; 4]],
            label: label.to_vec(),
            counted: Window { top: 0, left: 0, bottom: 1, right },
        };
        vec![sample(labels[0], 3), sample(labels[1], 4)]
    }

    fn logits(values: &[f32], classes: usize) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [2, classes, 1, 4]), &Device::flex())
    }

    #[test]
    fn a_mask_is_counted_at_its_threshold_or_at_the_best_one() {
        let samples = crops([[1, 0, 1, 1], [0, 1, 255, 0]]);
        let values = logits(&[1.0, -3.0, -1.0, 9.0, -2.0, 3.0, 5.0, -4.0], 1);
        let mut fixed = Tally::new(1, Threshold::Fixed(0.5));
        fixed.add(&samples, values.clone()).unwrap();
        let Tally::Fixed(_, counts) = fixed else { panic!("a fixed threshold") };
        assert_eq!(counts, Confusion { tp: 2, fp: 0, fn_: 1, tn: 3 });
        let mut swept = Tally::new(1, Threshold::BEST);
        swept.add(&samples, values).unwrap();
        let (scores, threshold) = swept.scores();
        // Between the sigmoids of -2 and of -1.
        assert!(threshold.is_some_and(|threshold| (0.12..0.27).contains(&threshold)), "{threshold:?}");
        assert_eq!((scores.f1, scores.accuracy), (1.0, 1.0));
    }

    #[test]
    fn of_several_classes_the_likeliest_is_taken() {
        let samples = crops([[0, 1, 2, 2], [2, 255, 1, 0]]);
        let first = [[3.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]].concat();
        let second = [[0.0, 0.0, 5.0, 0.1], [1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]].concat();
        let mut tally = Tally::new(3, Threshold::BEST);
        tally.add(&samples, logits(&[first, second].concat(), 3)).unwrap();
        let Tally::Classes(counts) = &tally else { panic!("classes") };
        assert_eq!([counts.row(0), counts.row(1), counts.row(2)], [[2, 0, 0], [1, 1, 0], [0, 0, 2]]);
        let (scores, threshold) = tally.scores();
        assert_eq!(threshold, None);
        assert!((scores.accuracy - 5.0 / 6.0).abs() < 1e-12);
    }
}
