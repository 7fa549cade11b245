//! Probability maps: of images in memory ([`predict`]) and of scenes of any size ([`map_scene`]), by windows ([`Windows`]).

mod scene;
mod windows;

pub use scene::{Area, SceneSize, map_scene};
pub use windows::{Blend, Windows};

use crate::{models::RsmModel, weights::Normalisation};
use burn::tensor::Device;

/// An image as values of 0..1, not yet normalised: `[bands, height, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct ImageView<'a> {
    /// Bands.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `bands * height * width` values.
    pub data: &'a [f32],
}

/// An image that the model cannot be run on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// Another number of images than the task takes.
    #[error("task {task} takes {expected} image(s), got {actual}")]
    Dates {
        /// The model's task.
        task: crate::models::Task,
        /// What it takes.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// Another number of bands than the weights are for.
    #[error("the model takes {expected} bands, the image has {actual}")]
    Bands {
        /// What the model takes.
        expected: usize,
        /// What the image has.
        actual: usize,
    },
    /// The dates differ in size.
    #[error("the two dates differ in size: {}x{} and {}x{} (height x width)", first.0, first.1, second.0, second.1)]
    Sizes {
        /// Height and width of the first date.
        first: (usize, usize),
        /// Height and width of the second date.
        second: (usize, usize),
    },
    /// Values and sizes of a view do not fit.
    #[error("an image of {bands} bands, {height}x{width}, must hold {} values, got {actual}", bands * height * width)]
    Values {
        /// Bands of the view.
        bands: usize,
        /// Height of the view.
        height: usize,
        /// Width of the view.
        width: usize,
        /// Values that came.
        actual: usize,
    },
    /// Window and overlap do not fit.
    #[error("a window must have at least 32 pixels and be larger than its overlap, got {size} and {overlap}")]
    Window {
        /// Side of a window.
        size: usize,
        /// Shared pixels.
        overlap: usize,
    },
}

/// Probability of the first class at every pixel, `height * width` row-major, from one image or two dates in memory.
///
/// The model should be an inference model ([`Module::valid`](burn::module::Module::valid)).
///
/// # Errors
///
/// [`InferenceError`] when images, windows and model do not fit together.
pub fn predict(
    model: &RsmModel,
    dates: &[ImageView<'_>],
    normalisation: &Normalisation,
    windows: Windows,
    device: &Device,
) -> Result<Vec<f32>, InferenceError> {
    check(model, dates, normalisation)?;
    let ImageView { bands, height, width, .. } = dates[0];
    let size = SceneSize { bands, height, width };
    let mut result = Vec::with_capacity(height * width);
    let read = |date: usize, area: Area| Ok(dates[date].cut(area));
    map_scene(model, size, normalisation, windows, device, read, |_, rows| {
        result.extend_from_slice(rows);
        Ok::<_, InferenceError>(())
    })?;
    Ok(result)
}

fn check(model: &RsmModel, dates: &[ImageView<'_>], normalisation: &Normalisation) -> Result<(), InferenceError> {
    let task = model.task();
    if dates.len() != task.dates() {
        return Err(InferenceError::Dates { task, expected: task.dates(), actual: dates.len() });
    }
    let first = (dates[0].height, dates[0].width);
    for date in dates {
        let ImageView { bands, height, width, data } = *date;
        if bands != normalisation.mean.len() {
            return Err(InferenceError::Bands { expected: normalisation.mean.len(), actual: bands });
        }
        if (height, width) != first {
            return Err(InferenceError::Sizes { first, second: (height, width) });
        }
        if data.len() != bands * height * width || data.is_empty() {
            return Err(InferenceError::Values { bands, height, width, actual: data.len() });
        }
    }
    Ok(())
}

impl ImageView<'_> {
    /// The values of an area, `[bands, height, width]`.
    fn cut(&self, area: Area) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.bands * area.height * area.width);
        for band in 0..self.bands {
            for row in area.top..area.top + area.height {
                let start = (band * self.height + row) * self.width + area.left;
                values.extend_from_slice(&self.data[start..start + area.width]);
            }
        }
        values
    }
}
