//! The order of an epoch, and crops as tensors.
//!
//! Every random choice is drawn from a generator of its own, seeded by the run's seed, the epoch and the place in the
//! epoch: a run that was stopped anywhere continues as if it had not been.

use burn::tensor::{Device, Tensor, TensorData};
use burn_dataset::Dataset;
use burn_rsmamba::Normalisation;
use burn_rsmamba_datasets::{Crops, DatasetError, Mask, Sample, augment};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Crops as the model and the loss take them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// One `[batch, bands, height, width]` a date, normalised.
    pub(crate) dates: Vec<Tensor<4>>,
    /// `[batch, 1, height, width]`, as in a label's mask.
    pub(crate) labels: Tensor<4>,
}

/// What a seed is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The order of the crops.
    Order,
    /// The flips of a crop.
    Augment,
    /// Drop path in a step.
    Step,
}

/// A seed for one purpose at one place of a run.
pub(crate) fn seed(run: u64, purpose: Purpose, epoch: usize, index: usize) -> u64 {
    [purpose as u64, epoch as u64, index as u64].into_iter().fold(mix(run), |state, word| mix(state ^ word))
}

/// `SplitMix64`: neighbouring numbers become unrelated ones.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Which crops an epoch takes, and in which order.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    /// Whether each crop has a marked pixel; all of them where empty ones are not left out.
    marked: Vec<bool>,
    /// Empty crops of an epoch.
    empty: usize,
}

impl Sampler {
    /// Takes every crop with a marked pixel and this part of the others, drawn anew each epoch.
    ///
    /// # Errors
    ///
    /// When a crop cannot be read.
    pub(crate) fn new(crops: &Crops, keep_empty: f64) -> Result<Self, DatasetError> {
        if keep_empty >= 1.0 {
            return Ok(Self { marked: vec![true; crops.len()], empty: 0 });
        }
        let marked = (0..crops.len()).map(|index| Ok(crops.get(index)?.label.into_iter().any(Mask::is_target)));
        Ok(Self::of(marked.collect::<Result<_, DatasetError>>()?, keep_empty))
    }

    fn of(marked: Vec<bool>, keep_empty: f64) -> Self {
        let empty = marked.iter().filter(|marked| !**marked).count();
        // An epoch without any crop would have no loss.
        let least = usize::from(empty == marked.len());
        Self { marked, empty: ((empty as f64 * keep_empty).round() as usize).max(least) }
    }

    /// Crops of an epoch.
    pub(crate) fn len(&self) -> usize {
        self.marked.iter().filter(|marked| **marked).count() + self.empty
    }

    /// The crops of an epoch in order.
    pub(crate) fn order(&self, run: u64, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.marked.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed(run, Purpose::Order, epoch, 0));
        order.shuffle(&mut rng);
        let mut left = self.empty;
        order.retain(|&index| {
            let keep = self.marked[index] || left > 0;
            if !self.marked[index] {
                left = left.saturating_sub(1);
            }
            keep
        });
        order
    }
}

/// The crops of these indices, flipped and transposed at random when `augmented` gives the run's seed and the epoch.
pub(crate) fn samples(
    crops: &Crops,
    indices: &[usize],
    augmented: Option<(u64, usize)>,
) -> Result<Vec<Sample>, DatasetError> {
    let mut samples = crops.get_many(indices.to_vec())?;
    if let Some((run, epoch)) = augmented {
        for (sample, &index) in samples.iter_mut().zip(indices) {
            let seed = seed(run, Purpose::Augment, epoch, index);
            augment(sample, &mut ChaCha8Rng::seed_from_u64(seed));
        }
    }
    Ok(samples)
}

impl Batch {
    /// Samples of one size as tensors on the device.
    pub(crate) fn new(samples: &[Sample], normalisation: &Normalisation, device: &Device) -> Self {
        let first = &samples[0];
        let (height, width) = (first.height, first.width);
        let tensor = |values: Vec<f32>, bands: usize| {
            let shape = [samples.len(), bands, height, width];
            Tensor::<4>::from_data(TensorData::new(values, shape), device)
        };
        let dates = (0..first.images.len())
            .map(|date| {
                let values = samples
                    .iter()
                    .flat_map(|sample| normalised(&sample.images[date], normalisation, height * width))
                    .collect();
                tensor(values, first.bands)
            })
            .collect();
        let labels = samples.iter().flat_map(|sample| sample.label.iter().map(|&value| f32::from(value))).collect();
        Self { dates, labels: tensor(labels, 1) }
    }
}

fn normalised<'a>(planes: &'a [f32], normalisation: &'a Normalisation, area: usize) -> impl Iterator<Item = f32> + 'a {
    let bands = normalisation.mean.iter().zip(&normalisation.std);
    planes
        .chunks_exact(area)
        .zip(bands)
        .flat_map(|(plane, (mean, std))| plane.iter().map(move |value| (value - mean) / std))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_every_crop_once_in_an_order_of_its_own() {
        let sampler = Sampler::of(vec![true; 50], 1.0);
        let first = sampler.order(42, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(first, sampler.order(42, 1));
        assert_ne!(first, sampler.order(42, 2));
        assert_ne!(first, sampler.order(43, 1));
    }

    #[test]
    fn empty_crops_are_left_out_in_part_and_drawn_anew() {
        let marked: Vec<bool> = (0..100).map(|index| index % 5 == 0).collect();
        let sampler = Sampler::of(marked.clone(), 0.25);
        assert_eq!(sampler.len(), 40);
        let empty = |epoch| -> Vec<usize> {
            let order = sampler.order(1, epoch);
            assert_eq!(order.len(), 40);
            assert_eq!(order.iter().filter(|&&index| marked[index]).count(), 20);
            order.into_iter().filter(|&index| !marked[index]).collect()
        };
        assert_ne!(empty(1), empty(2));
        assert_eq!(Sampler::of(vec![false; 3], 0.0).len(), 1, "an epoch is never empty");
        assert_eq!(Sampler::of(vec![false, true], 0.0).order(1, 1), [1]);
    }

    #[test]
    fn seeds_differ_by_everything_they_depend_on() {
        let seeds = [
            seed(42, Purpose::Step, 1, 0),
            seed(42, Purpose::Augment, 1, 0),
            seed(42, Purpose::Step, 2, 0),
            seed(42, Purpose::Step, 1, 1),
            seed(43, Purpose::Step, 1, 0),
        ];
        for (index, one) in seeds.iter().enumerate() {
            assert!(!seeds[index + 1..].contains(one));
        }
    }

    #[test]
    fn each_band_is_normalised_by_its_own_numbers() {
        let normalisation = Normalisation { mean: vec![0.5, 1.0], std: vec![0.5, 2.0] };
        let values: Vec<f32> = normalised(&[0.5, 1.0, 1.0, 3.0], &normalisation, 2).collect();
        assert_eq!(values, [0.0, 1.0, 0.0, 1.0]);
    }
}
