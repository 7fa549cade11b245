//! What the values of a set of scenes are like.

use rayon::prelude::*;

use crate::{Crops, DatasetError, LoadedScene};

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
#[derive(Clone, Default)]
struct Sums {
    values: Vec<f64>,
    squares: Vec<f64>,
    counts: Vec<u64>,
    pixels: u64,
    blank: u64,
}

/// Measures all dates of all scenes together; values that are not finite and blank pixels do not count.
pub fn statistics(scenes: &[LoadedScene]) -> Statistics {
    Sums::total(scenes.par_iter().map(Sums::of).collect())
}

impl Statistics {
    /// [`statistics`] of the scenes that crops are cut from, which are read one by one.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn of_crops(crops: &Crops) -> Result<Self, DatasetError> {
        let sums: Vec<_> =
            (0..crops.scene_count()).into_par_iter().map(|index| Ok(Sums::of(&crops.scene(index)?))).collect();
        Ok(Sums::total(sums.into_iter().collect::<Result<_, DatasetError>>()?))
    }
}

impl Sums {
    fn empty(bands: usize) -> Self {
        Self { values: vec![0.0; bands], squares: vec![0.0; bands], counts: vec![0; bands], ..Self::default() }
    }

    fn of(scene: &LoadedScene) -> Self {
        let bands = scene.images.iter().map(|image| image.bands).max().unwrap_or(0);
        let mut sums = Self::empty(bands);
        for image in &scene.images {
            let planes = image.to_chw_f32();
            let area = image.width * image.height;
            for pixel in 0..area {
                if image.is_blank(pixel / image.width, pixel % image.width) {
                    sums.blank += 1;
                    continue;
                }
                sums.pixels += 1;
                for band in 0..image.bands {
                    let value = f64::from(planes[band * area + pixel]);
                    if value.is_finite() {
                        sums.values[band] += value;
                        sums.squares[band] += value * value;
                        sums.counts[band] += 1;
                    }
                }
            }
        }
        sums
    }

    fn total(of_scenes: Vec<Self>) -> Statistics {
        let bands = of_scenes.iter().map(|sums| sums.values.len()).max().unwrap_or(0);
        let total = of_scenes.into_iter().fold(Self::empty(bands), |mut total, sums| {
            for band in 0..sums.values.len() {
                total.values[band] += sums.values[band];
                total.squares[band] += sums.squares[band];
                total.counts[band] += sums.counts[band];
            }
            total.pixels += sums.pixels;
            total.blank += sums.blank;
            total
        });
        let mean = |band: usize| total.values[band] / total.counts[band].max(1) as f64;
        let variance = |band: usize| total.squares[band] / total.counts[band].max(1) as f64 - mean(band) * mean(band);
        Statistics {
            mean: (0..bands).map(|band| mean(band) as f32).collect(),
            std: (0..bands).map(|band| variance(band).max(0.0).sqrt().max(1e-6) as f32).collect(),
            pixels: total.pixels,
            blank: total.blank,
        }
    }
}
