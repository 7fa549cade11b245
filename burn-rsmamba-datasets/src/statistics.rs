//! What the values of a set of scenes are like.

use rayon::prelude::*;

use crate::survey::survey;
use crate::{Crops, DatasetError, LoadedScene, Raster, Survey};

/// Mean and standard deviation of each band, of values scaled to 0..1 where their type has a largest value.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Mean, one a band.
    pub mean: Vec<f32>,
    /// Standard deviation, one a band; never below 1e-6.
    pub std: Vec<f32>,
    /// Pixels that were looked at, over all dates.
    pub pixels: u64,
    /// Pixels without a picture, which were not.
    pub blank: u64,
}

/// Sums of one scene; those of all are added in the order of the scenes, whatever the threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    values: Vec<f64>,
    squares: Vec<f64>,
    pixels: u64,
    blank: u64,
}

/// Measures all dates of all scenes together; blank pixels, and those with a value that is not finite, do not count.
pub fn statistics(scenes: &[LoadedScene]) -> Statistics {
    Sums::total(&scenes.par_iter().map(Sums::of).collect::<Vec<_>>())
}

impl Statistics {
    /// [`statistics`] of the scenes that crops are cut from, of any size.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn of_crops(crops: &Crops) -> Result<Self, DatasetError> {
        let measure = |index| match crops.reader(index) {
            Ok(mut reader) => Ok(survey(&mut reader)?.sums),
            Err(DatasetError::Downsampled { .. }) => Ok(Sums::of(&crops.scene(index)?)),
            Err(error) => Err(error),
        };
        let sums: Vec<_> = (0..crops.scene_count()).into_par_iter().map(measure).collect();
        Ok(Sums::total(&sums.into_iter().collect::<Result<Vec<_>, DatasetError>>()?))
    }

    /// [`statistics`] of scenes that were looked at.
    pub fn of_surveys<'a>(surveys: impl IntoIterator<Item = &'a Survey>) -> Self {
        Sums::total(surveys.into_iter().map(|survey| &survey.sums))
    }
}

impl Sums {
    fn of(scene: &LoadedScene) -> Self {
        let mut sums = Self::default();
        scene.images.iter().for_each(|image| sums.add_image(image));
        sums
    }

    /// Adds the pixels of an image, or of the next rows of one: the order alone decides the result.
    pub(crate) fn add_image(&mut self, image: &Raster) {
        self.widen(image.bands);
        let planes = image.to_chw_f32();
        let area = image.width * image.height;
        for pixel in 0..area {
            if image.is_blank(pixel / image.width, pixel % image.width) {
                self.blank += 1;
                continue;
            }
            self.pixels += 1;
            for band in 0..image.bands {
                let value = f64::from(planes[band * area + pixel]);
                self.values[band] += value;
                self.squares[band] += value * value;
            }
        }
    }

    /// Makes room for so many bands.
    fn widen(&mut self, bands: usize) {
        let bands = bands.max(self.values.len());
        self.values.resize(bands, 0.0);
        self.squares.resize(bands, 0.0);
    }

    fn total<'a>(of_scenes: impl IntoIterator<Item = &'a Self>) -> Statistics {
        let mut total = Self::default();
        for sums in of_scenes {
            total.widen(sums.values.len());
            for band in 0..sums.values.len() {
                total.values[band] += sums.values[band];
                total.squares[band] += sums.squares[band];
            }
            total.pixels += sums.pixels;
            total.blank += sums.blank;
        }
        let bands = total.values.len();
        let mean = |band: usize| total.values[band] / total.pixels.max(1) as f64;
        let variance = |band: usize| total.squares[band] / total.pixels.max(1) as f64 - mean(band) * mean(band);
        Statistics {
            mean: (0..bands).map(|band| mean(band) as f32).collect(),
            std: (0..bands).map(|band| variance(band).max(0.0).sqrt().max(1e-6) as f32).collect(),
            pixels: total.pixels,
            blank: total.blank,
        }
    }
}
