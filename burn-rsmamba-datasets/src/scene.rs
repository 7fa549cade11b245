//! What a dataset is made of: splits, and scenes of one or two dates with a label.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::raster::fits_memory;
use crate::reader::SceneReader;
use crate::{DatasetError, DatasetWarning, LabelRule, Mask, Raster, RasterFile, Window};

/// How many images of the same place make one scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dates {
    /// Segmentation.
    One,
    /// Change detection.
    Two,
}

impl Dates {
    /// The number of images of a scene.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    pub(crate) fn task(self) -> &'static str {
        match self {
            Self::One => "ss",
            Self::Two => "cd",
        }
    }
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "segmentation (one date)",
            Self::Two => "change detection (two dates)",
        })
    }
}

/// A part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What the weights are fitted to.
    Train,
    /// What the best epoch is chosen by.
    Val,
    /// What is reported.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        })
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|split| split.to_string() == name)
            .ok_or_else(|| format!("`{name}` is not a split; choose train, val or test"))
    }
}

/// The scenes of one split.
#[derive(Clone, Debug)]
pub struct SceneSet {
    /// The name of the layout they were found in.
    pub layout: &'static str,
    /// The split they make up.
    pub split: Split,
    /// The scenes, sorted by name.
    pub scenes: Vec<Scene>,
    /// What a user should know but need not mend.
    pub warnings: Vec<DatasetWarning>,
}

impl SceneSet {
    /// The same scenes, with their label files read by this rule.
    #[must_use]
    pub fn with_label_rule(mut self, by: &LabelRule) -> Self {
        for scene in &mut self.scenes {
            if let SceneOrigin::Files { rule, .. } = &mut scene.source {
                by.clone_into(rule);
            }
        }
        self
    }
}

/// One place: an image a date, and its label.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The file name without extension.
    pub name: String,
    /// Where the pixels are.
    pub source: SceneOrigin,
}

/// Where the pixels of a scene are.
#[derive(Clone, Debug)]
pub enum SceneOrigin {
    /// In files that are decoded on [`Scene::load`] or window by window through [`Scene::reader`].
    Files {
        /// One file a date.
        images: Vec<PathBuf>,
        /// The label, if there is one.
        label: Option<PathBuf>,
        /// What the pixels of the label mean.
        rule: LabelRule,
        /// The part of the files that is the scene, where it is not all of them.
        region: Option<Window>,
    },
    /// In memory.
    Memory {
        /// One raster a date.
        images: Vec<Arc<Raster>>,
        /// The label.
        label: Arc<Mask>,
    },
}

/// A scene with its pixels in memory; all rasters and the label have one size.
#[derive(Clone, Debug)]
pub struct LoadedScene {
    /// The name of the scene.
    pub name: String,
    /// One raster a date.
    pub images: Vec<Arc<Raster>>,
    /// The label, if there is one.
    pub label: Option<Arc<Mask>>,
}

impl Scene {
    /// Decodes the scene; pixels without data become 0 in every band.
    ///
    /// # Errors
    /// Files that cannot be read as images or as a label of its rule, images or a label that differ in size or bands, and more
    /// than 2^31 values an image (for those, see [`reader`](Self::reader)).
    pub fn load(&self) -> Result<LoadedScene, DatasetError> {
        // Every block is needed once, so none is kept.
        let mut reader = SceneReader::open(self, |path| RasterFile::with_cache(path, 0))?;
        if let SceneOrigin::Memory { images, label } = &self.source {
            let (images, label) = (images.clone(), Some(label.clone()));
            return Ok(LoadedScene { name: self.name.clone(), images, label });
        }
        let (height, width) = (reader.height(), reader.width());
        fits_memory(&self.path(Some(0)), width, height, reader.bands())?;
        reader.window(0, 0, height, width)
    }

    pub(crate) fn no_label(&self) -> DatasetError {
        DatasetError::NoLabel { scene: self.path(Some(0)).display().to_string() }
    }

    /// The number of images.
    pub fn dates(&self) -> usize {
        match &self.source {
            SceneOrigin::Files { images, .. } => images.len(),
            SceneOrigin::Memory { images, .. } => images.len(),
        }
    }

    /// The file of an image (by date) or of the label (`None`), or the scene's name when it has none.
    pub(crate) fn path(&self, date: Option<usize>) -> PathBuf {
        match (&self.source, date) {
            (SceneOrigin::Files { images, .. }, Some(date)) => images.get(date).cloned(),
            (SceneOrigin::Files { label, .. }, None) => label.clone(),
            (SceneOrigin::Memory { .. }, _) => None,
        }
        .unwrap_or_else(|| Path::new(&self.name).to_path_buf())
    }

    /// Images and label cover the same pixels, and the dates have the same bands.
    pub(crate) fn check(&self, images: &[Size], label: Option<(usize, usize)>) -> Result<(), DatasetError> {
        let Some((first, rest)) = images.split_first() else {
            return Ok(());
        };
        let differ = |path, width, height| {
            if (width, height) == (first.width, first.height) {
                return Ok(());
            }
            Err(DatasetError::SizesDiffer {
                path,
                width,
                height,
                other: self.path(Some(0)),
                other_width: first.width,
                other_height: first.height,
            })
        };
        for (date, image) in rest.iter().enumerate() {
            differ(self.path(Some(date + 1)), image.width, image.height)?;
            if image.bands != first.bands {
                return Err(DatasetError::BandsDiffer {
                    path: self.path(Some(date + 1)),
                    bands: image.bands,
                    other: self.path(Some(0)),
                    other_bands: first.bands,
                });
            }
        }
        match label {
            Some((width, height)) => differ(self.path(None), width, height),
            None => Ok(()),
        }
    }
}

/// How large an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) bands: usize,
}

impl Size {
    pub(crate) fn of(image: &Raster) -> Self {
        Self { width: image.width, height: image.height, bands: image.bands }
    }
}
