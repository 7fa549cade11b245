//! Crops as tensors: normalised on the threads that decode them, brought to the device by the one that trains.

use burn::tensor::{Device, Tensor, TensorData};
use burn_rsmamba::Normalisation;
use burn_rsmamba_datasets::{DatasetError, Loader, Ordered, Sample};

/// Crops as the model and the loss take them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// One `[batch, bands, height, width]` a date, normalised.
    pub(crate) dates: Vec<Tensor<4>>,
    /// `[batch, 1, height, width]`, as in a label's mask.
    pub(crate) labels: Tensor<4>,
}

/// The normalised samples of an epoch's steps from one on, counted from 0; decoded ahead, the same in every run.
pub(crate) fn steps(
    loader: &Loader,
    epoch: usize,
    first: usize,
    normalisation: &Normalisation,
) -> Ordered<Result<Vec<Sample>, DatasetError>> {
    let normalisation = normalisation.clone();
    loader.batches(epoch, first, move |mut samples| {
        normalise_samples(&mut samples, &normalisation);
        samples
    })
}

/// Normalises every image of these samples.
pub(crate) fn normalise_samples(samples: &mut [Sample], normalisation: &Normalisation) {
    for sample in samples {
        sample.images.iter_mut().for_each(|image| normalisation.apply(image));
    }
}

impl Batch {
    /// Normalised samples of one size as tensors on the device.
    pub(crate) fn new(samples: &[Sample], device: &Device) -> Self {
        let first = &samples[0];
        let (height, width) = (first.height, first.width);
        let tensor = |values: Vec<f32>, bands: usize| {
            let shape = [samples.len(), bands, height, width];
            Tensor::<4>::from_data(TensorData::new(values, shape), device)
        };
        let values = |date: usize| samples.iter().flat_map(|sample| &sample.images[date]).copied().collect();
        let dates = (0..first.images.len()).map(|date| tensor(values(date), first.bands)).collect();
        let labels = samples.iter().flat_map(|sample| sample.label.iter().map(|&value| f32::from(value))).collect();
        Self { dates, labels: tensor(labels, 1) }
    }
}
