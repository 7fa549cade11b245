//! Scores of a model crop by crop, with their loss, while it trains.

use burn::Tensor;
use burn::tensor::Device;
use burn_dataset::Dataset;
use burn_rsmamba::{Normalisation, RsmModel};
use burn_rsmamba_datasets::{Crops, Draw, Loader, LoaderOptions, Sample, Sampler};

use super::batch::{self, Batch};
use super::tally::Tally;
use crate::config::{Objective, RunConfig};
use crate::interrupt;
use crate::progress::Progress;
use crate::scores::Scores;

/// What a validation found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validation {
    /// The mean loss of the crops.
    pub(crate) loss: f64,
    /// The scores of the pixels that count.
    pub(crate) scores: Scores,
    /// Probability from which a pixel is marked; absent with several classes.
    pub(crate) threshold: Option<f32>,
}

/// What a validation depends on besides the model and the crops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidationSettings<'a> {
    /// The settings of the run.
    pub(crate) config: &'a RunConfig,
    /// The loss that is reported.
    pub(crate) objective: &'a Objective,
    /// What the bands are normalised by.
    pub(crate) normalisation: &'a Normalisation,
}

/// Scores the crops of a split, or nothing when the user stops it.
///
/// # Errors
///
/// When a crop cannot be read or a result not be fetched.
pub(crate) fn validate(
    model: &RsmModel,
    crops: &Crops,
    settings: ValidationSettings<'_>,
    device: &Device,
    progress: &mut Progress,
) -> anyhow::Result<Option<Validation>> {
    let ValidationSettings { config, objective, normalisation } = settings;
    let mut tally = None;
    let mut loss_sum = 0.0;
    let loader = in_order(crops, config.batch, config.workers);
    progress.start("validating", loader.steps());
    let complete = each_batch(model, &loader, normalisation, device, |samples, logits, labels| {
        let loss = objective.loss(logits.clone(), labels);
        loss_sum += f64::from(loss.into_scalar::<f32>()) * samples.len() as f64;
        progress.advance("");
        tally.get_or_insert_with(|| Tally::new(logits.dims()[1], config.threshold)).add(samples, logits)
    })?;
    progress.finish();
    Ok(tally.filter(|_| complete).map(|tally| {
        let (scores, threshold) = tally.scores();
        Validation { loss: loss_sum / crops.len() as f64, scores, threshold }
    }))
}

/// All crops as they are, one after the other.
fn in_order(crops: &Crops, batch: usize, workers: usize) -> Loader {
    let options = LoaderOptions { batch, workers, ahead: 2 * workers, ..LoaderOptions::default() };
    Loader::new(crops, Sampler::new(crops, Draw::InOrder), options)
}

/// Runs the model over all crops in order and hands over each batch, its logits and its labels; false when the user stops
/// it.
fn each_batch(
    model: &RsmModel,
    loader: &Loader,
    normalisation: &Normalisation,
    device: &Device,
    mut take: impl FnMut(&[Sample], Tensor<4>, Tensor<4>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    for samples in batch::steps(loader, 0, 0, normalisation) {
        if interrupt::requested() {
            return Ok(false);
        }
        let samples = samples?;
        let Batch { dates, labels } = Batch::new(&samples, device);
        take(&samples, model.forward(&dates), labels)?;
    }
    Ok(true)
}
