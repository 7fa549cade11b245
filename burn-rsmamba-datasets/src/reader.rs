//! A scene that is read window by window.

use std::path::Path;
use std::sync::Arc;

use crate::mask::mask_of;
use crate::scene::Size;
use crate::{DatasetError, LabelRule, LoadedScene, Mask, Pixels, Raster, RasterFile, Scene, SceneOrigin, Window};

/// Decoded blocks that are kept of each file. Two rows of tiles of 256 pixels, 32507 pixels wide and of three bands, are
/// 50 MB.
pub(crate) const CACHE_BYTES: usize = 96 << 20;

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
            SceneOrigin::Files { images, label, rule, region } => {
                let images = images.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
                let label = label.as_ref().map(|path| open(path)).transpose()?;
                let label = label.map(|file| LabelFile { file, rule: rule.clone() });
                (Source::Files { images, label }, *region)
            }
            SceneOrigin::Memory { images, label } => {
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

    /// Judges the label as a whole where its rule asks for that, so that no window and no other reader has to.
    pub(crate) fn settle(&mut self) -> Result<(), DatasetError> {
        match &mut self.source {
            Source::Files { label: Some(label), .. } => label.settle(self.region),
            _ => Ok(()),
        }
    }

    /// The same scene once more, for another thread: decoded pixels are shared.
    pub(crate) fn again(&self) -> Result<Self, DatasetError> {
        let source = match &self.source {
            Source::Files { images, label } => {
                let again = |label: &LabelFile| Ok(LabelFile { file: label.file.again()?, rule: label.rule.clone() });
                Source::Files {
                    images: images.iter().map(RasterFile::again).collect::<Result<_, _>>()?,
                    label: label.as_ref().map(again).transpose()?,
                }
            }
            Source::Memory { images, label } => Source::Memory { images: images.clone(), label: label.clone() },
        };
        Ok(Self { name: self.name.clone(), source, region: self.region, bands: self.bands })
    }

    /// The name of the scene.
    pub fn name(&self) -> &str {
        &self.name
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

    /// The number of images.
    pub fn dates(&self) -> usize {
        match &self.source {
            Source::Files { images, .. } => images.len(),
            Source::Memory { images, .. } => images.len(),
        }
    }

    /// One image of a window, counted from 0, with 0 in every band of pixels without data, and for each pixel whether it is one, as
    /// [`RasterFile::window_and_nodata`] tells. Scenes in memory are as they are and have none.
    ///
    /// # Errors
    /// A block that is damaged or cut off, or compressed in a way that is not supported.
    ///
    /// # Panics
    /// When there is no such image; when the window is empty or reaches beyond the scene.
    pub fn image(
        &mut self,
        date: usize,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(Raster, Vec<bool>), DatasetError> {
        let (y, x) = self.place(top, left, height, width);
        match &mut self.source {
            Source::Files { images, .. } => images[date].window_and_nodata(y, x, height, width),
            Source::Memory { images, .. } => {
                Ok((images[date].window(y, x, height, width), vec![false; height * width]))
            }
        }
    }

    /// The label of a window without the images, if there is one; see [`window`](Self::window).
    ///
    /// # Errors
    /// As [`window`](Self::window).
    ///
    /// # Panics
    /// When the window is empty or reaches beyond the scene.
    pub fn label(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Option<Mask>, DatasetError> {
        let (y, x) = self.place(top, left, height, width);
        let whole = (height, width) == (self.height(), self.width());
        match &mut self.source {
            Source::Files { label: None, .. } => Ok(None),
            Source::Files { label: Some(label), .. } => {
                if !whole {
                    label.settle(self.region)?;
                }
                let values = label.file.window(y, x, height, width)?;
                label.refuse_nodata(&values)?;
                mask_of(label.file.path(), &values, &label.rule, &mut Vec::new()).map(Some)
            }
            Source::Memory { label, .. } => Ok(Some(label.crop(y, x, height, width))),
        }
    }

    /// The label of a window as it is stored, before its rule; a mask where the scene is in memory.
    pub(crate) fn stored_label(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Option<Raster>, DatasetError> {
        let (y, x) = self.place(top, left, height, width);
        match &mut self.source {
            Source::Files { label, .. } => {
                label.as_mut().map(|label| label.file.window(y, x, height, width)).transpose()
            }
            Source::Memory { label, .. } => {
                let pixels = Pixels::U8(label.crop(y, x, height, width).data);
                Ok(Some(Raster { width, height, bands: 1, pixels }))
            }
        }
    }

    /// How many classes the label tells apart: background and target, or those of its rule.
    pub(crate) fn classes(&self) -> usize {
        match &self.source {
            Source::Files { label, .. } => label.as_ref().map_or(2, |label| label.rule.classes()),
            // Nothing says how many there are.
            Source::Memory { label, .. } => {
                let largest = label.data.iter().filter(|&&class| class != Mask::IGNORED).max();
                largest.map_or(2, |&largest| usize::from(largest) + 1).max(2)
            }
        }
    }

    /// How many images have an alpha band, which is left out.
    pub(crate) fn images_with_alpha(&self) -> usize {
        match &self.source {
            Source::Files { images, .. } => images.iter().filter(|image| image.has_alpha()).count(),
            Source::Memory { .. } => 0,
        }
    }

    /// The pixels of a window; those without data at any date are 0 in every band, as [`image`](Self::image) tells them, and
    /// [`Mask::IGNORED`] in the label.
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
        let (mut scene, nodata) = self.window_and_nodata(top, left, height, width)?;
        ignore(&mut scene.label, &nodata);
        Ok(scene)
    }

    /// [`window`](Self::window) with the label as it is, and for each pixel whether a date has no data there.
    pub(crate) fn window_and_nodata(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(LoadedScene, Vec<bool>), DatasetError> {
        let mut nodata = vec![false; height * width];
        let mut images = Vec::with_capacity(self.dates());
        for date in 0..self.dates() {
            let (image, here) = self.image(date, top, left, height, width)?;
            nodata.iter_mut().zip(here).for_each(|(nodata, here)| *nodata |= here);
            images.push(Arc::new(image));
        }
        Ok((self.with_label(images, top, left, height, width)?, nodata))
    }

    /// [`window`](Self::window) with the values that stand for no data as they are; transparent pixels are 0. Of no pixel it says that
    /// it has no data.
    pub(crate) fn stored_window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(LoadedScene, Vec<bool>), DatasetError> {
        let (y, x) = self.place(top, left, height, width);
        let images = match &mut self.source {
            Source::Files { images, .. } => {
                let images = images.iter_mut().map(|file| file.opaque_window(y, x, height, width).map(Arc::new));
                images.collect::<Result<_, _>>()?
            }
            Source::Memory { images, .. } => {
                images.iter().map(|image| Arc::new(image.window(y, x, height, width))).collect()
            }
        };
        Ok((self.with_label(images, top, left, height, width)?, Vec::new()))
    }

    fn with_label(
        &mut self,
        images: Vec<Arc<Raster>>,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<LoadedScene, DatasetError> {
        let label = self.label(top, left, height, width)?.map(Arc::new);
        Ok(LoadedScene { name: self.name.clone(), images, label })
    }

    /// Where a window of the scene begins in its files.
    fn place(&self, top: usize, left: usize, height: usize, width: usize) -> (usize, usize) {
        assert!(
            height > 0 && width > 0 && top + height <= self.height() && left + width <= self.width(),
            "SceneReader: window {height}x{width} at ({top}, {left}) is not inside {}x{} (height x width)",
            self.height(),
            self.width()
        );
        (self.region.top + top, self.region.left + left)
    }
}

/// Lets the pixels of a label that have no data count nowhere.
pub(crate) fn ignore(label: &mut Option<Arc<Mask>>, nodata: &[bool]) {
    if let Some(label) = label.as_mut().filter(|_| nodata.contains(&true)) {
        let pixels = Arc::make_mut(label).data.iter_mut().zip(nodata);
        pixels.filter(|(_, nodata)| **nodata).for_each(|(pixel, _)| *pixel = Mask::IGNORED);
    }
}

impl LabelFile {
    /// `auto` cannot know whether pixels at the file's value for no data count; 0 is background to it.
    fn refuse_nodata(&self, part: &Raster) -> Result<(), DatasetError> {
        let Some(value) = self.file.nodata().filter(|&value| value != 0.0 && self.rule == LabelRule::Auto) else {
            return Ok(());
        };
        let pixels = part.width * part.height;
        if (0..pixels).any(|pixel| part.is_nodata(0, pixel, Some(value))) {
            return Err(DatasetError::LabelNodata { path: self.file.path().into(), value });
        }
        Ok(())
    }

    /// Lets a rule that judges a label by all its values do so, and makes it one that can be applied to a part.
    fn settle(&mut self, region: Window) -> Result<(), DatasetError> {
        let Some(settled) = self.rule.settled() else { return Ok(()) };
        let (rows, width) = (self.file.block().0.max(256), region.right - region.left);
        let mut seen = Vec::new();
        for top in (region.top..region.bottom).step_by(rows) {
            let part = self.file.window(top, region.left, rows.min(region.bottom - top), width)?;
            self.refuse_nodata(&part)?;
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
