//! A model put to work on whole images, for `predict` and for scores.

use burn::tensor::Device;
use burn_rsmamba::inference::{Predictor, Windows};
use burn_rsmamba::{ModelMeta, RsmModel};

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
    /// The class of each pixel, from the probabilities `[classes, pixels]` of a [`Predictor`].
    pub(crate) fn found(&self, probabilities: &[f32]) -> Vec<u8> {
        self.predictor().classes(probabilities, self.threshold)
    }

    /// The library's side of it.
    pub(crate) fn predictor(&self) -> Predictor<'_> {
        let Self { model, meta, windows, augmented, device, .. } = *self;
        Predictor { model, normalisation: &meta.normalisation, windows, augmented, device }
    }
}
