//! Probability maps of images in memory and of scenes of any size, by windows that overlap.
//!
//! A [`Predictor`] is a model with the way it is put to work: [`Windows`] and, if wanted, test-time augmentation. It maps any
//! [`SceneSource`] in bounded memory ([`Predictor::map`]), or images in memory ([`Predictor::predict`]).
//!
//! ```
//! use burn::tensor::Device;
//! use burn_rsmamba::inference::{Area, InferenceError, Patch, Predictor, SceneSize, SceneSource, Step};
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
//!     fn read(&mut self, _date: usize, area: Area) -> Result<Patch, InferenceError> {
//!         let Area { top, left, height, width } = area;
//!         let pixel = |index: usize| ((top + index / width) / 8 + (left + index % width) / 8) % 2;
//!         let values = (0..3 * height * width).map(|index| pixel(index % (height * width)) as f32);
//!         Ok(Patch::from(values.collect::<Vec<_>>()))
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
//!     if let Step::Rows { top, values, .. } = step {
//!         assert_eq!(top, rows);
//!         rows += values.len() / 70;
//!     }
//!     Ok(())
//! })?;
//! assert_eq!(rows, 100);
//! # Ok::<(), InferenceError>(())
//! ```
//!
//! The example `map_scene` does the same from GeoTIFF to GeoTIFF. Pixels without data are told by the source ([`Patch`]) and handed
//! back with the rows ([`Step::Rows`]). [`Windows::axis`] is the plan by which scenes are cut, and [`Predictor::bytes`] the memory that it
//! takes beside the model. The example `seams` measures what windows change; `BENCHMARKS.md` has
//! its table, from which the defaults ([`Windows::for_crop`]) were picked.

mod predictor;
mod source;
mod turns;
mod windows;

pub use predictor::{Predictor, Step};
pub use source::{Area, ImageView, Patch, SceneSize, SceneSource};
pub use windows::{Axis, Blend, Windows};

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
    /// What the model was given, or what it gave, is no number.
    #[error(
        "the {} of the window at row {top}, column {left} are not all finite numbers; {}",
        if *input { "values" } else { "probabilities" },
        if *input { "give the value that stands for no data in the file's tags, or put 0 there" }
        else { "look for values there that no sensor gives, such as -3.4e38 for no data, and check the model on another image" }
    )]
    NotFinite {
        /// The window's first row.
        top: usize,
        /// The window's first column.
        left: usize,
        /// Whether it was what the model was given.
        input: bool,
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
