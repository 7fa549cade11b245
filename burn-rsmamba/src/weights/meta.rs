use crate::inference::Windows;
use crate::models::ModelConfig;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// Crops and windows of files are no larger: a file may say anything.
const LARGEST_SIDE: usize = 1 << 15;

/// Mean and standard deviation of each band, of values scaled to 0..1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Mean, one a band.
    pub mean: Vec<f32>,
    /// Standard deviation, one a band.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// ImageNet's values for red, green and blue; 0.5 and 0.25 for any further band.
    pub fn imagenet(bands: usize) -> Self {
        let fill = |known: [f32; 3], other: f32| {
            (0..bands).map(|band| known.get(band).copied().unwrap_or(other)).collect::<Vec<_>>()
        };
        Self { mean: fill([0.485, 0.456, 0.406], 0.5), std: fill([0.229, 0.224, 0.225], 0.25) }
    }

    /// Makes of an image `[bands, height, width]` of values scaled to 0..1 what a model takes: `(value - mean) / std` of its band.
    ///
    /// # Panics
    ///
    /// When the image has not as many bands as there are means.
    pub fn apply(&self, image: &mut [f32]) {
        let Self { mean, std } = self;
        let bands = mean.len();
        assert!(
            bands > 0 && image.len().is_multiple_of(bands),
            "{} values are no image of {bands} bands, as the model was trained on",
            image.len()
        );
        let area = image.len() / bands;
        if area == 0 {
            return;
        }
        for (plane, (mean, std)) in image.chunks_exact_mut(area).zip(mean.iter().zip(std)) {
            for value in plane {
                *value = (*value - mean) / std;
            }
        }
    }
}

/// What a weights file says about its model: all that mapping an image needs beside the values. A field that is added later
/// has a default, so that every older file loads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelMeta {
    /// How to make the model.
    pub config: ModelConfig,
    /// How to scale its input.
    pub normalisation: Normalisation,
    /// Probability from which a pixel is positive.
    pub threshold: f32,
    /// Side of the crops that it was trained on, in pixels.
    pub crop: usize,
    /// How scenes are cut by default; files that do not say it yet have none, see [`windows`](Self::windows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// By which ratio its images were made smaller before crops were taken.
    #[serde(default = "full_size", skip_serializing_if = "is_full_size")]
    pub downsample: NonZeroUsize,
    /// What the pixels of the labels meant that it was trained on, as the text of a `LabelRule` of `burn-rsmamba-datasets`; scores are taken
    /// by the same rule where nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Where the weights come from: which program of which version made them, of which file or data.
    pub provenance: String,
}

/// The metadata entry of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Described {
    #[serde(flatten)]
    pub(super) meta: ModelMeta,
    /// Checksum of the values, entry by entry in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crc32: Option<u32>,
}

fn full_size() -> NonZeroUsize {
    NonZeroUsize::MIN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_full_size(ratio: &NonZeroUsize) -> bool {
    *ratio == full_size()
}

impl ModelMeta {
    /// The official code's defaults: ImageNet statistics, threshold 0.5, 256² crops and windows of the same size.
    pub fn new(config: ModelConfig, provenance: impl Into<String>) -> Self {
        let normalisation = Normalisation::imagenet(config.encoder.bands);
        let windows = Some(Windows::for_crop(256));
        let provenance = provenance.into();
        let (threshold, crop, downsample, labels) = (0.5, 256, full_size(), None);
        Self { config, normalisation, threshold, crop, windows, downsample, labels, provenance }
    }

    /// How scenes are cut where the user does not say: as the file says, else as it follows from the crops of the training.
    pub fn windows(&self) -> Windows {
        self.windows.unwrap_or(Windows::for_crop(self.crop.max(32)))
    }

    /// What is wrong with a description read from a file.
    pub(super) fn check(&self) -> Result<(), String> {
        self.config.validate().map_err(|error| error.to_string())?;
        let bands = self.config.encoder.bands;
        let Normalisation { mean, std } = &self.normalisation;
        if mean.len() != bands || std.len() != bands {
            return Err(format!("its normalisation has {} and {} values for {bands} bands", mean.len(), std.len()));
        }
        if std.iter().any(|std| std.is_nan() || *std <= 0.0) || !mean.iter().chain(std).all(|value| value.is_finite()) {
            return Err(format!("its normalisation is not usable: mean {mean:?}, std {std:?}"));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(format!("its threshold {} is no probability", self.threshold));
        }
        let sides = [Some(self.crop), self.windows.and_then(|windows| windows.size)];
        if let Some(side) = sides.into_iter().flatten().find(|&side| side > LARGEST_SIDE) {
            return Err(format!("its crops or windows of {side} pixels a side are more than {LARGEST_SIDE}"));
        }
        self.windows().check().map_err(|error| format!("its windows are not usable: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_band_is_normalised_by_its_own_numbers() {
        let normalisation = Normalisation { mean: vec![0.5, 1.0], std: vec![0.5, 2.0] };
        let mut values = [0.5, 1.0, 1.0, 3.0];
        normalisation.apply(&mut values);
        assert_eq!(values.map(f32::to_bits), [0.0f32, 1.0, 0.0, 1.0].map(f32::to_bits));
    }

    #[test]
    #[should_panic(expected = "3 values are no image of 2 bands")]
    fn images_of_other_bands_panic() {
        Normalisation::imagenet(2).apply(&mut [0.0; 3]);
    }
}
