//! Remote-sensing datasets for [Burn](https://burn.dev): building and road segmentation (one date) and change detection
//! (two dates), from folders as they are published to crops ready for a batch.
//!
//! | step | here |
//! |---|---|
//! | find and pair the files of a split | [`open`], or [`DatasetFolder`] for one dataset → [`SceneSet`] |
//! | decode one scene and check it | [`Scene::load`] → [`LoadedScene`] of [`Raster`]s and a [`Mask`] |
//! | read windows of a giant one | [`Scene::reader`], [`Crops::reader`] → [`SceneReader`] |
//! | read windows of images that are no dataset, on one grid | [`CoregisteredFiles`], of [`RasterFile`]s |
//! | cut it up, as a `burn_dataset::Dataset` | [`Crops`] → [`Sample`] |
//! | vary a training sample | [`augment()`], [`jitter`] |
//! | batches of an epoch, decoded ahead | [`Sampler`] → [`Loader`], with the feature `loader` Burn's `DataLoader` |
//! | mean and deviation of its bands | [`statistics()`] |
//! | look at scenes of any size, strip by strip | [`Scene::survey`] → [`Survey`], [`Statistics::of_surveys`] |
//! | scenes without any download | [`demo::scenes`] |
//! | what a model has to beat | [`baselines::measure`] |
//!
//! ```
//! use burn_dataset::Dataset;
//! use burn_rsmamba_datasets::{CropOptions, Crops, Dates, Split, demo};
//!
//! let options = demo::DemoOptions { size: 64, test: 2, ..Default::default() };
//! let set = demo::scenes(Dates::Two, Split::Test, &options);
//! let crops = Crops::new(&set, CropOptions { size: 32, ..Default::default() })?;
//! let sample = crops.get(0)?;
//! assert_eq!((crops.len(), sample.images.len(), sample.images[0].len()), (8, 2, 3 * 32 * 32));
//! # Ok::<(), burn_rsmamba_datasets::DatasetError>(())
//! ```
//!
//! Nothing here panics on what a user's folder holds: every [`DatasetError`] prints as one line that names the file or
//! folder and how to mend it.

mod augment;
pub mod baselines;
mod crops;
pub mod demo;
mod error;
mod geo_json;
mod grid;
mod layout;
mod loader;
mod mask;
mod names;
mod raster;
mod reader;
mod recent;
mod sampler;
mod scene;
mod statistics;
mod store;
mod survey;
mod sync;
mod warning;

pub use augment::{augment, jitter};
pub use crops::{CropOptions, Crops, Sample, Tile};
pub use error::DatasetError;
pub use geo_json::GeoJson;
pub use grid::{Edge, Window};
pub use layout::{DatasetFolder, list_images, open, open_folders};
#[cfg(feature = "loader")]
pub use loader::TensorLoader;
pub use loader::{Loader, LoaderOptions, Ordered};
pub use mask::{LabelRule, Mask, read_label};
pub use names::Names;
pub use raster::{
    AlignedFile, CoregisteredFiles, GeoReference, GeoSample, GeoTags, GeoTiff, Pixels, Raster, RasterFile, Resampling,
    has_image_extension, read_raster,
};
pub use reader::SceneReader;
pub use sampler::{Draw, Purpose, Sampler, Turn, seed};
pub use scene::{Dates, LoadedScene, Scene, SceneOrigin, SceneSet, Split};
pub use statistics::{Statistics, statistics};
pub use store::Storage;
pub use survey::Survey;
pub use warning::{DatasetWarning, Unpaired};
