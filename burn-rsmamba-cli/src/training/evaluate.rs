//! Scores of a model: of crops with their loss while it trains, of whole scenes when it is done.

use std::sync::Arc;

use anyhow::Context;
use burn::Tensor;
use burn::tensor::Device;
use burn_dataset::Dataset;
use burn_rsmamba::inference::{ImageView, InferenceError, Predictor, Windows};
use burn_rsmamba::metrics::{Confusion, ConfusionMatrix};
use burn_rsmamba::vector::sieved;
use burn_rsmamba::{ModelMeta, Normalisation, RsmModel};
use burn_rsmamba_datasets::{Crops, Draw, LoadedScene, Loader, LoaderOptions, Mask, Raster, Sample, Sampler, Window};

use super::batch::{self, Batch};
use super::tally::{self, Tally};
use crate::config::{Objective, RunConfig};
use crate::interrupt;
use crate::progress::Progress;
use crate::report::Scores;

/// Threads that decode crops which are scored.
const SCORING_WORKERS: usize = 2;

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

/// Counts the classes of a split's pixels, crop by crop.
///
/// # Errors
///
/// When a crop cannot be read, a result not be fetched, or the user stops it.
pub(crate) fn score_classes(
    model: &RsmModel,
    meta: &ModelMeta,
    crops: &Crops,
    device: &Device,
    progress: &mut Progress,
) -> anyhow::Result<ConfusionMatrix> {
    let mut counts = ConfusionMatrix::new(meta.config.classes);
    progress.start("scoring", crops.len());
    let complete =
        each_batch(model, &in_order(crops, 1, SCORING_WORKERS), &meta.normalisation, device, |samples, logits, _| {
            progress.advance(samples[0].name.as_str());
            tally::count_classes(&mut counts, samples, &tally::values(logits)?);
            Ok(())
        })?;
    progress.finish();
    anyhow::ensure!(complete, "stopped before all crops were scored");
    Ok(counts)
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

/// A scene with what the model made of it.
#[derive(Debug)]
pub(crate) struct ScoredScene<'a> {
    /// The scene.
    pub(crate) scene: &'a LoadedScene,
    /// Whether each pixel is marked, row by row.
    pub(crate) marked: &'a [bool],
    /// Whether each pixel counts; blank borders and ignored pixels do not.
    pub(crate) counted: &'a [bool],
    /// The pixels that count, by kind.
    pub(crate) counts: Confusion,
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
    /// Where small objects are taken away: the least pixels of one, and whether holes are filled.
    pub(crate) sieve: Option<(u64, bool)>,
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

    /// Whether each of these probabilities, in rows of `width`, marks its pixel.
    pub(crate) fn marked(&self, probabilities: &[f32], width: usize) -> Vec<bool> {
        let marked: Vec<bool> = probabilities.iter().map(|&value| value >= self.threshold).collect();
        match self.sieve {
            Some((least, fill_holes)) => sieved(&marked, width, least, fill_holes),
            None => marked,
        }
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
    // They come scene by scene, in the order of the scenes.
    let mut windows = (0..crops.len()).map(|index| crops.counted(index)).peekable();
    progress.start("scoring", crops.scene_count());
    for index in 0..crops.scene_count() {
        let scene = crops.scene(index)?;
        let kept = std::iter::from_fn(|| windows.next_if(|(scene, _)| *scene == index)).map(|(_, window)| window);
        let counted = counted_pixels(&scene, kept);
        let probabilities = mapper.probabilities(&scene.images).with_context(|| scene.name.clone())?;
        let marked = mapper.marked(&probabilities, scene.images[0].width);
        let label = scene.label.as_deref().map_or(&[][..], |label| &label.data);
        let pixels = || (0..label.len()).filter(|&pixel| counted[pixel]);
        let found = Confusion::count(pixels().map(|pixel| marked[pixel]), pixels().map(|pixel| label[pixel] == 1));
        counts += found;
        each(&ScoredScene { scene: &scene, marked: &marked, counted: &counted, counts: found })?;
        progress.advance(scene.name.as_str());
    }
    progress.finish();
    Ok(counts)
}

/// The pixels of the crops that were kept, without those that are ignored.
fn counted_pixels(scene: &LoadedScene, windows: impl Iterator<Item = Window>) -> Vec<bool> {
    let (width, height) = (scene.images[0].width, scene.images[0].height);
    let mut counted = vec![false; width * height];
    for window in windows {
        for row in window.top..window.bottom {
            counted[row * width + window.left..row * width + window.right].fill(true);
        }
    }
    let label = scene.label.iter().flat_map(|label| &label.data);
    counted.iter_mut().zip(label).for_each(|(counted, &value)| *counted &= value != Mask::IGNORED);
    counted
}
