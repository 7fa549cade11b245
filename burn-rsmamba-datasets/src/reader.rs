//! A scene that is read window by window.

use std::path::Path;
use std::sync::Arc;

use crate::mask::mask_of;
use crate::scene::Size;
use crate::{DatasetError, LabelRule, LoadedScene, Mask, Raster, RasterFile, Scene, SceneSource, Window};

/// Decoded blocks that are kept of each file. Two rows of tiles of 256 pixels, 32507 pixels wide and of three bands, are
/// 50 MB.
const CACHE_BYTES: usize = 96 << 20;

/// An open [`Scene`] of any size, of which windows are decoded: see [`RasterFile`].
pub struct SceneReader {
    name: String,
    source: Source,
    region: Window,
    bands: usize,
}

enum Source {
    Files { images: Vec<RasterFile>, label: Option<LabelFile> },
    Memory { images: Vec<Arc<Raster>>, label: Arc<Mask> },
}

struct LabelFile {
    file: RasterFile,
    rule: LabelRule,
}

impl SceneReader {
    /// Opens the files of a scene, each by `open`, and checks that they fit.
    pub(crate) fn open(
        scene: &Scene,
        open: impl Fn(&Path) -> Result<RasterFile, DatasetError>,
    ) -> Result<Self, DatasetError> {
        let (source, region) = match &scene.source {
            SceneSource::Files { images, label, rule, region } => {
                let images = images.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
                let label = label.as_ref().map(|path| open(path)).transpose()?;
                let label = label.map(|file| LabelFile { file, rule: rule.clone() });
                (Source::Files { images, label }, *region)
            }
            SceneSource::Memory { images, label } => {
                (Source::Memory { images: images.clone(), label: label.clone() }, None)
            }
        };
        let (images, label) = source.sizes();
        scene.check(&images, label)?;
        let Some(&Size { width, height, bands }) = images.first() else {
            return Err(DatasetError::Missing { path: scene.path(Some(0)) });
        };
        let whole = Window { top: 0, left: 0, bottom: height, right: width };
        let region = region.unwrap_or(whole);
        if region.top >= region.bottom || region.left >= region.right || region.bottom > height || region.right > width
        {
            return Err(DatasetError::Region { path: scene.path(Some(0)), region, width, height });
        }
        Ok(Self { name: scene.name.clone(), source, region, bands })
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.region.right - self.region.left
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.region.bottom - self.region.top
    }

    /// Bands of an image, without alpha.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Whether there is a label.
    pub(crate) fn has_label(&self) -> bool {
        match &self.source {
            Source::Files { label, .. } => label.is_some(),
            Source::Memory { .. } => true,
        }
    }

    /// The open files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &RasterFile> {
        let (images, label) = match &self.source {
            Source::Files { images, label } => (&images[..], label.as_ref()),
            Source::Memory { .. } => (&[][..], None),
        };
        images.iter().chain(label.map(|label| &label.file))
    }

    /// Strips and tiles decoded so far, of all files.
    pub fn decoded_blocks(&self) -> usize {
        self.files().map(RasterFile::decoded_blocks).sum()
    }

    /// The pixels of a window; those without data are 0 in every band.
    ///
    /// With [`LabelRule::Auto`] the first window that is not the whole scene takes a look at all values of the label.
    ///
    /// # Errors
    /// A block that is damaged or cut off, or compressed in a way that is not supported; a label that its rule refuses.
    ///
    /// # Panics
    /// When the window is empty or reaches beyond the scene.
    pub fn window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<LoadedScene, DatasetError> {
        let mut scene = self.stored_window(top, left, height, width)?;
        if let Source::Files { images: files, .. } = &self.source {
            for (image, file) in scene.images.iter_mut().zip(files) {
                Arc::make_mut(image).clear_nodata(file.nodata());
            }
        }
        Ok(scene)
    }

    /// [`window`](Self::window) with the values that stand for no data as they are.
    pub(crate) fn stored_window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<LoadedScene, DatasetError> {
        assert!(
            height > 0 && width > 0 && top + height <= self.height() && left + width <= self.width(),
            "SceneReader: window {height}x{width} at ({top}, {left}) is not inside {}x{} (height x width)",
            self.height(),
            self.width()
        );
        let (y, x) = (self.region.top + top, self.region.left + left);
        let (images, label) = match &mut self.source {
            Source::Files { images, label } => {
                let images = images.iter_mut().map(|file| file.window(y, x, height, width).map(Arc::new));
                let images = images.collect::<Result<_, _>>()?;
                let part = Window { top: y, left: x, bottom: y + height, right: x + width };
                let label = label.as_mut().map(|label| label.window(part, self.region).map(Arc::new));
                (images, label.transpose()?)
            }
            Source::Memory { images, label } => {
                let images = images.iter().map(|image| Arc::new(image.window(y, x, height, width))).collect();
                (images, Some(Arc::new(label.crop(y, x, height, width))))
            }
        };
        Ok(LoadedScene { name: self.name.clone(), images, label })
    }

    /// The number of images.
    pub(crate) fn dates(&self) -> usize {
        match &self.source {
            Source::Files { images, .. } => images.len(),
            Source::Memory { images, .. } => images.len(),
        }
    }

    /// Rows of one image, as [`window`](Self::window) has them.
    pub(crate) fn image_rows(&mut self, date: usize, top: usize, rows: usize) -> Result<Raster, DatasetError> {
        let Window { top, left, bottom, right } = self.rows(top, rows);
        match &mut self.source {
            Source::Files { images, .. } => {
                let file = &mut images[date];
                let mut image = file.window(top, left, bottom - top, right - left)?;
                image.clear_nodata(file.nodata());
                Ok(image)
            }
            Source::Memory { images, .. } => Ok(images[date].window(top, left, bottom - top, right - left)),
        }
    }

    /// Rows of the label, if there is one.
    pub(crate) fn label_rows(&mut self, top: usize, rows: usize) -> Result<Option<Mask>, DatasetError> {
        let (part, region) = (self.rows(top, rows), self.region);
        match &mut self.source {
            Source::Files { label, .. } => label.as_mut().map(|label| label.window(part, region)).transpose(),
            Source::Memory { label, .. } => Ok(Some(label.crop(part.top, part.left, rows, part.right - part.left))),
        }
    }

    /// Where rows of the scene lie in its files.
    fn rows(&self, top: usize, rows: usize) -> Window {
        let top = self.region.top + top;
        Window { top, bottom: top + rows, ..self.region }
    }
}

impl LabelFile {
    /// A part of what the scene is of the file.
    fn window(&mut self, part: Window, region: Window) -> Result<Mask, DatasetError> {
        if part != region {
            self.settle(region)?;
        }
        let Window { top, left, bottom, right } = part;
        let values = self.file.window(top, left, bottom - top, right - left)?;
        mask_of(self.file.path(), &values, &self.rule, &mut Vec::new())
    }

    /// Lets a rule that judges a label by all its values do so, and makes it one that can be applied to a part.
    fn settle(&mut self, region: Window) -> Result<(), DatasetError> {
        let Some(settled) = self.rule.settled() else { return Ok(()) };
        let (rows, width) = (self.file.block().0.max(256), region.right - region.left);
        let mut seen = Vec::new();
        for top in (region.top..region.bottom).step_by(rows) {
            let part = self.file.window(top, region.left, rows.min(region.bottom - top), width)?;
            mask_of(self.file.path(), &part, &self.rule, &mut seen)?;
        }
        self.rule = settled;
        Ok(())
    }
}

impl Source {
    /// The sizes of the images, and the columns and rows of the label.
    fn sizes(&self) -> (Vec<Size>, Option<(usize, usize)>) {
        match self {
            Self::Files { images, label } => {
                let size = |file: &RasterFile| Size { width: file.width(), height: file.height(), bands: file.bands() };
                let label = label.as_ref().map(|label| (label.file.width(), label.file.height()));
                (images.iter().map(size).collect(), label)
            }
            Self::Memory { images, label } => {
                (images.iter().map(|image| Size::of(image)).collect(), Some((label.width, label.height)))
            }
        }
    }
}

impl Scene {
    /// Opens the scene to read windows of it, without decoding anything but what has no windows (PNG, JPEG, BMP).
    ///
    /// # Errors
    /// Files that are missing or no images; images or a label that differ in size or bands.
    pub fn reader(&self) -> Result<SceneReader, DatasetError> {
        SceneReader::open(self, |path| RasterFile::with_cache(path, CACHE_BYTES))
    }
}
