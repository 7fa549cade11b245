//! Probability maps of whole images.

use crate::{models::RsmModel, weights::Normalisation};
use burn::{
    Tensor,
    tensor::{Device, TensorData, activation::sigmoid},
};

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

/// How an image is cut for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Side of a square window; `None` runs the whole image at once.
    pub size: Option<usize>,
    /// Pixels that neighbouring windows share; their probabilities are averaged there.
    pub overlap: usize,
}

impl Windows {
    /// The whole image at once.
    pub const WHOLE: Self = Self { size: None, overlap: 0 };
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

/// Probability of the first class at every pixel, `height * width` row-major, from one image or two dates.
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
    check(model, dates, normalisation, windows)?;
    let ImageView { height, width, .. } = dates[0];
    let (window_height, window_width, overlap) = match windows.size {
        None => (height, width, 0),
        Some(size) => (size.min(height), size.min(width), windows.overlap),
    };
    let mut sums = vec![0.0f32; height * width];
    let mut counts = vec![0u16; height * width];
    for top in starts(height, window_height, overlap) {
        for left in starts(width, window_width, overlap) {
            let window = Window { top, left, height: window_height, width: window_width };
            let inputs: Vec<_> = dates.iter().map(|date| window.tensor(date, normalisation, device)).collect();
            let logits = model.forward(&inputs).narrow(1, 0, 1);
            let values = sigmoid(logits).into_data().convert::<f32>().try_into_vec::<f32>().expect("f32 probabilities");
            for (row, values) in values.chunks_exact(window_width).enumerate() {
                let start = (top + row) * width + left;
                for (offset, value) in values.iter().enumerate() {
                    sums[start + offset] += value;
                    counts[start + offset] += 1;
                }
            }
        }
    }
    Ok(sums.into_iter().zip(counts).map(|(sum, count)| sum / f32::from(count)).collect())
}

fn check(
    model: &RsmModel,
    dates: &[ImageView<'_>],
    normalisation: &Normalisation,
    windows: Windows,
) -> Result<(), InferenceError> {
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
    match windows.size {
        Some(size) if size < 32 || size <= windows.overlap => {
            Err(InferenceError::Window { size, overlap: windows.overlap })
        }
        _ => Ok(()),
    }
}

/// Starts of windows that cover `size`; the last one ends at the border.
fn starts(size: usize, window: usize, overlap: usize) -> Vec<usize> {
    let last = size - window;
    let stride = (window - overlap.min(window - 1)).max(1);
    let mut starts: Vec<usize> = (0..last).step_by(stride).collect();
    starts.push(last);
    starts
}

struct Window {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Window {
    /// The normalised part of an image, `[1, bands, height, width]`.
    fn tensor(&self, image: &ImageView<'_>, normalisation: &Normalisation, device: &Device) -> Tensor<4> {
        let mut values = Vec::with_capacity(image.bands * self.height * self.width);
        for band in 0..image.bands {
            let (mean, std) = (normalisation.mean[band], normalisation.std[band]);
            for row in self.top..self.top + self.height {
                let start = (band * image.height + row) * image.width + self.left;
                values.extend(image.data[start..start + self.width].iter().map(|value| (value - mean) / std));
            }
        }
        Tensor::from_data(TensorData::new(values, [1, image.bands, self.height, self.width]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn windows_cover_every_pixel_and_stay_inside() {
        for size in 32..200 {
            for overlap in [0, 5, 31] {
                let window = 32;
                let mut covered = vec![false; size];
                for start in starts(size, window, overlap) {
                    covered[start..start + window].fill(true);
                }
                assert!(covered.into_iter().all(|covered| covered), "size {size}, overlap {overlap}");
            }
        }
    }
}
