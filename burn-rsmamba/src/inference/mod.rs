//! Probability maps of images in memory and of scenes of any size, by windows that overlap.
//!
//! A [`Predictor`] is a model with the way it is put to work: [`Windows`] and, if wanted, test-time augmentation. It maps any
//! [`SceneSource`] in bounded memory ([`Predictor::map`]), or images in memory ([`Predictor::predict`]).
//!
//! ```
//! use burn::tensor::Device;
//! use burn_rsmamba::inference::{Area, InferenceError, Predictor, SceneSize, SceneSource, Step};
//! use burn_rsmamba::{ModelConfig, ModelMeta, Task};
//!
//! /// A checkerboard that is never held in memory.
//! struct Board;
//!
//! impl SceneSource for Board {
//!     type Error = InferenceError;
//!
//!     fn size(&self) -> SceneSize {
//!         SceneSize { bands: 3, height: 100, width: 70 }
//!     }
//!
//!     fn read(&mut self, _date: usize, area: Area) -> Result<Vec<f32>, InferenceError> {
//!         let Area { top, left, height, width } = area;
//!         let pixel = |index: usize| ((top + index / width) / 8 + (left + index % width) / 8) % 2;
//!         Ok((0..3 * height * width).map(|index| pixel(index % (height * width)) as f32).collect())
//!     }
//! }
//!
//! let device = Device::flex();
//! let config = ModelConfig::preset(Task::Ss, "micro").expect("a preset");
//! let meta = ModelMeta::new(config, "an example");
//! let model = meta.config.init(&device); // or both from `weights::load`
//! let mut predictor = Predictor::new(&model, &meta, &device);
//! predictor.windows.size = Some(64);
//! predictor.windows.overlap = 16;
//! let mut rows = 0;
//! predictor.map(Board, |step| {
//!     if let Step::Rows { top, values } = step {
//!         assert_eq!(top, rows);
//!         rows += values.len() / 70;
//!     }
//!     Ok(())
//! })?;
//! assert_eq!(rows, 100);
//! # Ok::<(), InferenceError>(())
//! ```
//!
//! The example `map_scene` does the same from GeoTIFF to GeoTIFF. The example `seams` measures what windows change; `BENCHMARKS.md` has
//! its table, from which the defaults ([`Windows::for_crop`]) were picked.

mod predictor;
mod source;
mod turns;
mod windows;

pub use predictor::{Predictor, Step};
pub use source::{Area, ImageView, SceneSize, SceneSource};
pub use windows::{Blend, Windows};

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
