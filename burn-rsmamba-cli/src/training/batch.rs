//! The order of an epoch, and crops as tensors.
//!
//! Every random choice is drawn from a generator of its own, seeded by the run's seed, the epoch and the place in the
//! epoch: a run that was stopped anywhere continues as if it had not been.

use burn::tensor::{Device, Tensor, TensorData};
use burn_dataset::Dataset;
use burn_rsmamba::Normalisation;
use burn_rsmamba_datasets::{Crops, DatasetError, Sample, augment};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Crops as the model and the loss take them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// One `[batch, bands, height, width]` a date, normalised.
    pub(crate) dates: Vec<Tensor<4>>,
    /// `[batch, 1, height, width]`, 0 or 1.
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

/// The order in which an epoch takes its crops.
pub(crate) fn order(run: u64, epoch: usize, crops: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..crops).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed(run, Purpose::Order, epoch, 0));
    order.shuffle(&mut rng);
    order
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
        let first = order(42, 1, 50);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(first, order(42, 1, 50));
        assert_ne!(first, order(42, 2, 50));
        assert_ne!(first, order(43, 1, 50));
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
