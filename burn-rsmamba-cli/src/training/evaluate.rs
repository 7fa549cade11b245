//! Scores of a model: of crops with their loss while it trains, of whole scenes when it is done.

use std::sync::Arc;

use anyhow::Context;
use burn::tensor::Device;
use burn_dataset::Dataset;
use burn_rsmamba::inference::{ImageView, InferenceError, Predictor, Windows};
use burn_rsmamba::losses::bce_dice;
use burn_rsmamba::metrics::Confusion;
use burn_rsmamba::{ModelMeta, Normalisation, RsmModel};
use burn_rsmamba_datasets::{Crops, LoadedScene, Raster};

use super::batch::{self, Batch};
use crate::interrupt;
use crate::progress::Progress;

/// What a validation found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validation {
    /// The mean loss of the crops.
    pub(crate) loss: f64,
    /// The pixels that count, by kind.
    pub(crate) counts: Confusion,
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
    // A pixel is marked from this logit on, which saves the sigmoid.
    let threshold = (settings.threshold / (1.0 - settings.threshold)).ln() as f32;
    let indices: Vec<usize> = (0..crops.len()).collect();
    let mut counts = Confusion::default();
    let mut loss_sum = 0.0;
    progress.start("validating", indices.len().div_ceil(settings.batch));
    for chunk in indices.chunks(settings.batch) {
        if interrupt::requested() {
            progress.finish();
            return Ok(None);
        }
        let samples = batch::samples(crops, chunk, None)?;
        let batch = Batch::new(&samples, settings.normalisation, device);
        let logits = model.forward(&batch.dates);
        let loss = bce_dice(logits.clone(), batch.labels).total;
        loss_sum += f64::from(loss.into_scalar::<f32>()) * samples.len() as f64;
        let logits = logits.into_data().try_to_vec::<f32>()?;
        for (sample, logits) in samples.iter().zip(logits.chunks_exact(samples[0].label.len())) {
            let pixels = || sample.counted.indices(sample.width);
            counts += Confusion::count(
                pixels().map(|pixel| logits[pixel] >= threshold),
                pixels().map(|pixel| sample.label[pixel] == 1),
            );
        }
        progress.advance("");
    }
    progress.finish();
    Ok(Some(Validation { loss: loss_sum / crops.len() as f64, counts }))
}

/// What a validation depends on besides the model and the crops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidationSettings<'a> {
    /// Crops at a time.
    pub(crate) batch: usize,
    /// Probability from which a pixel is marked.
    pub(crate) threshold: f64,
    /// What the bands are normalised by.
    pub(crate) normalisation: &'a Normalisation,
}

/// A scene with what the model made of it.
#[derive(Debug)]
pub(crate) struct ScoredScene<'a> {
    /// The scene.
    pub(crate) scene: &'a LoadedScene,
    /// Whether each pixel is marked, row by row.
    pub(crate) marked: &'a [bool],
    /// Whether each pixel counts; blank borders do not.
    pub(crate) counted: &'a [bool],
}

/// A model with the way it is put to work on whole images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapper<'a> {
    /// The model, without autodiff.
    pub(crate) model: &'a RsmModel,
    /// What its weights file says.
    pub(crate) meta: &'a ModelMeta,
    /// How images are cut.
    pub(crate) windows: Windows,
    /// Whether flips and rotations are averaged.
    pub(crate) augmented: bool,
    /// Probability from which a pixel is marked.
    pub(crate) threshold: f32,
    /// Where it runs.
    pub(crate) device: &'a Device,
}

impl Mapper<'_> {
    /// The library's side of it.
    pub(crate) fn predictor(&self) -> Predictor<'_> {
        let Self { model, meta, windows, augmented, device, .. } = *self;
        Predictor { model, normalisation: &meta.normalisation, windows, augmented, device }
    }

    /// The probability of each pixel of a place, given its image at each date.
    ///
    /// # Errors
    ///
    /// When the images do not fit the model.
    pub(crate) fn probabilities(&self, images: &[Arc<Raster>]) -> Result<Vec<f32>, InferenceError> {
        let planes: Vec<Vec<f32>> = images.iter().map(|image| image.to_chw_f32()).collect();
        let views: Vec<ImageView<'_>> = images
            .iter()
            .zip(&planes)
            .map(|(image, data)| ImageView { bands: image.bands, height: image.height, width: image.width, data })
            .collect();
        self.predictor().predict(&views)
    }

    /// Whether each of these probabilities marks its pixel.
    pub(crate) fn marked(&self, probabilities: &[f32]) -> Vec<bool> {
        probabilities.iter().map(|&value| value >= self.threshold).collect()
    }
}

/// Maps every scene as `predict` does and scores the pixels of its crops.
///
/// # Errors
///
/// When a scene cannot be mapped, or `each` fails.
pub(crate) fn score_scenes(
    mapper: &Mapper<'_>,
    crops: &Crops,
    progress: &mut Progress,
    mut each: impl FnMut(&ScoredScene<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Confusion> {
    let mut counts = Confusion::default();
    let counted = counted_pixels(crops)?;
    progress.start("scoring", crops.scenes().len());
    for (scene, counted) in crops.scenes().iter().zip(&counted) {
        let probabilities = mapper.probabilities(&scene.images).with_context(|| scene.name.clone())?;
        let marked = mapper.marked(&probabilities);
        let label = scene.label.as_deref().map_or(&[][..], |label| &label.data);
        let pixels = || (0..label.len()).filter(|&pixel| counted[pixel]);
        counts += Confusion::count(pixels().map(|pixel| marked[pixel]), pixels().map(|pixel| label[pixel] == 1));
        each(&ScoredScene { scene, marked: &marked, counted })?;
        progress.advance(scene.name.as_str());
    }
    progress.finish();
    Ok(counts)
}

/// For each scene, the pixels of the crops that were kept.
fn counted_pixels(crops: &Crops) -> anyhow::Result<Vec<Vec<bool>>> {
    let mut counted: Vec<Vec<bool>> =
        crops.scenes().iter().map(|scene| vec![false; scene.images[0].width * scene.images[0].height]).collect();
    let mut scene = 0;
    for index in 0..crops.len() {
        let sample = crops.get(index)?;
        // Crops come scene by scene, in the order of the scenes.
        while crops.scenes()[scene].name != sample.name {
            scene += 1;
        }
        let width = crops.scenes()[scene].images[0].width;
        let window = sample.counted;
        for row in window.top..window.bottom {
            let start = (sample.y + row) * width + sample.x;
            counted[scene][start + window.left..start + window.right].fill(true);
        }
    }
    Ok(counted)
}
