//! An image file that is read window by window.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blocks::Blocks;
use super::decoded::Decoded;
use super::read::{Kind, decode_image, sniff, tiff_error};
use super::{GeoReference, GeoTags, Pixels, Raster, tiff::TiffBlocks};
use crate::DatasetError;

/// Decoded blocks that are kept: a row of them of a scene 32507 pixels wide at windows of 1024.
const CACHE_BYTES: usize = 192 << 20;

/// An open PNG, JPEG, BMP or TIFF file of any size.
///
/// Of a TIFF only the strips or tiles that a window touches are decoded, and the ones used last are kept, at most 192 MiB. The
/// other formats have no windows: they are decoded whole when they are opened.
///
/// An RGB scene of 32507×15354 pixels in row-major crops of 500: each block is decoded once, and the process peaks at 236 MB
/// (tiles of 256, Deflate) or 239 MB (strips of 16 rows); both and a label through a [`SceneReader`](crate::SceneReader) peak at
/// 349 MB. `tests/memory.rs` measures it (`just giant`).
pub struct RasterFile {
    path: PathBuf,
    source: Source,
    nodata: Option<f64>,
    alpha: bool,
    /// Which pixels are valid, where the file or one beside it says so.
    mask: Option<Box<TiffBlocks>>,
}

enum Source {
    Blocks(Box<TiffBlocks>),
    Whole(Arc<Whole>),
    Decoded(Box<Decoded>),
}

/// An image in memory.
struct Whole {
    raster: Raster,
    /// Which pixels are transparent, where there is alpha.
    transparent: Option<Vec<bool>>,
}

/// Decoded blocks of a mask that are kept.
const MASK_BYTES: usize = 32 << 20;

/// A TIFF of fewer values is decoded whole where it is read again and again.
const SMALL_VALUES: usize = 16 << 20;

impl RasterFile {
    /// Opens a file by what it holds, whatever its extension.
    ///
    /// # Errors
    /// A file that is not there, is no image, is cut off or damaged, or is of a kind that is not supported.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        Self::with_cache(path, CACHE_BYTES)
    }

    /// [`open`](Self::open) with another limit of kept blocks, in bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_cache(path: &Path, bytes: usize) -> Result<Self, DatasetError> {
        let (kind, reader) = sniff(path)?;
        let (source, nodata, alpha) = match kind {
            Kind::Tiff => {
                let blocks = TiffBlocks::open(reader, Arc::new(Blocks::new(bytes)))
                    .map_err(|failure| tiff_error(path, failure))?;
                let (nodata, alpha) = (blocks.nodata, blocks.alpha);
                (Source::Blocks(Box::new(blocks)), nodata, alpha)
            }
            Kind::Other(format) => {
                let (raster, transparent) = decode_image(path, reader, format)?;
                let alpha = transparent.is_some();
                (Source::Whole(Arc::new(Whole { raster, transparent })), None, alpha)
            }
        };
        let mut file = Self { path: path.into(), source, nodata, alpha, mask: None };
        if matches!(file.source, Source::Blocks(_)) {
            file.mask = file.find_mask()?;
        }
        if file.width() == 0 || file.height() == 0 {
            return Err(DatasetError::Damaged { path: path.into(), reason: "it has no pixels".into() });
        }
        Ok(file)
    }

    /// Opens a file to read many windows from it: a small TIFF is decoded whole, of a large one no more than `cache` bytes are
    /// kept, and with a folder the decoded pixels are taken from there, put there first where they are not or are of an
    /// older file.
    pub(crate) fn open_often(path: &Path, cache: usize, folder: Option<&Path>) -> Result<Self, DatasetError> {
        if let Some(folder) = folder {
            let decoded = Decoded::of(path, folder, || Self::open(path))?;
            let (nodata, alpha) = (decoded.nodata, decoded.alpha);
            let source = Source::Decoded(Box::new(decoded));
            return Ok(Self { path: path.into(), source, nodata, alpha, mask: None });
        }
        let mut file = Self::with_cache(path, cache.min(CACHE_BYTES))?;
        let (height, width) = (file.height(), file.width());
        let values = height.saturating_mul(width).saturating_mul(file.bands());
        if matches!(file.source, Source::Blocks(_)) && values <= SMALL_VALUES {
            let (raster, transparent) = (file.window(0, 0, height, width)?, file.transparent(0, 0, height, width)?);
            file.source = Source::Whole(Arc::new(Whole { raster, transparent }));
            file.mask = None;
        }
        Ok(file)
    }

    /// The same file once more, for another thread: decoded pixels are shared.
    ///
    /// # Errors
    /// As [`open`](Self::open); a file that has changed since.
    pub(crate) fn again(&self) -> Result<Self, DatasetError> {
        let path = &self.path;
        let source = match &self.source {
            Source::Blocks(blocks) => {
                let (_, reader) = sniff(path)?;
                let other =
                    TiffBlocks::open(reader, blocks.kept.clone()).map_err(|failure| tiff_error(path, failure))?;
                if !blocks.is_like(&other) {
                    let reason = "it is another image than when it was opened first".into();
                    return Err(DatasetError::Damaged { path: path.clone(), reason });
                }
                Source::Blocks(Box::new(other))
            }
            Source::Whole(whole) => Source::Whole(whole.clone()),
            Source::Decoded(decoded) => Source::Decoded(Box::new(decoded.again()?)),
        };
        let mask = if self.mask.is_some() { self.find_mask()? } else { None };
        Ok(Self { path: path.clone(), source, nodata: self.nodata, alpha: self.alpha, mask })
    }

    /// The mask inside the file, or in `FILE.msk` beside it, as GDAL writes them.
    fn find_mask(&self) -> Result<Option<Box<TiffBlocks>>, DatasetError> {
        let size = (self.width(), self.height());
        if matches!(&self.source, Source::Blocks(blocks) if blocks.has_more_images()) {
            let (_, reader) = sniff(&self.path)?;
            let mask = TiffBlocks::mask(reader, MASK_BYTES, size);
            if let Some(mask) = mask.map_err(|failure| tiff_error(&self.path, failure))? {
                return Ok(Some(Box::new(mask)));
            }
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".msk");
        let beside = PathBuf::from(beside);
        if !beside.is_file() {
            return Ok(None);
        }
        let (Kind::Tiff, reader) = sniff(&beside)? else { return Ok(None) };
        let mask = TiffBlocks::open(reader, Arc::new(Blocks::new(MASK_BYTES)));
        let mask = mask.map_err(|failure| tiff_error(&beside, failure))?;
        if (mask.width, mask.height) != size {
            let (path, (other_width, other_height)) = (beside, size);
            let (width, height, other) = (mask.width, mask.height, self.path.clone());
            return Err(DatasetError::SizesDiffer { path, width, height, other, other_width, other_height });
        }
        Ok(Some(Box::new(mask)))
    }

    /// Whether the file tells something of its place, but not by a transform.
    pub(super) fn has_no_transform(&self) -> bool {
        matches!(&self.source, Source::Blocks(blocks) if blocks.no_transform)
    }

    /// Whether everything is in memory, and no file is held open.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.source, Source::Whole(_))
    }

    /// Whether pixels have a flag of their own that says that they are empty.
    pub(super) fn has_flags(&self) -> bool {
        let whole = matches!(&self.source, Source::Whole(whole) if whole.transparent.is_some());
        self.alpha || self.mask.is_some() || whole
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Columns.
    pub fn width(&self) -> usize {
        match &self.source {
            Source::Blocks(blocks) => blocks.width,
            Source::Whole(whole) => whole.raster.width,
            Source::Decoded(decoded) => decoded.width,
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        match &self.source {
            Source::Blocks(blocks) => blocks.height,
            Source::Whole(whole) => whole.raster.height,
            Source::Decoded(decoded) => decoded.height,
        }
    }

    /// Bands, without alpha.
    pub fn bands(&self) -> usize {
        match &self.source {
            Source::Blocks(blocks) => blocks.bands,
            Source::Whole(whole) => whole.raster.bands,
            Source::Decoded(decoded) => decoded.bands,
        }
    }

    /// Where the image lies, for a GeoTIFF.
    pub fn georeference(&self) -> Option<&GeoReference> {
        match &self.source {
            Source::Blocks(blocks) => blocks.georeference.as_ref(),
            Source::Whole(_) | Source::Decoded(_) => None,
        }
    }

    /// The value of pixels without data (GDAL's tag), as it compares with the samples.
    pub fn nodata(&self) -> Option<f64> {
        self.nodata
    }

    /// What the file says of its pixels; no more than [`nodata`](Self::nodata) where it is no TIFF.
    pub fn tags(&self) -> GeoTags {
        let metadata = match &self.source {
            Source::Blocks(blocks) => blocks.metadata.clone(),
            Source::Whole(_) | Source::Decoded(_) => None,
        };
        GeoTags { georeference: self.georeference().cloned(), nodata: self.nodata, metadata }
    }

    /// Whether pixels may have no data: the file names a value for it, or has alpha or a mask, or floats, which may be no numbers.
    pub fn has_nodata(&self) -> bool {
        let float = match &self.source {
            Source::Blocks(blocks) => blocks.float,
            Source::Whole(whole) => matches!(whole.raster.pixels, Pixels::F32(_)),
            Source::Decoded(decoded) => decoded.is_float(),
        };
        float || self.has_flags() || self.nodata.is_some()
    }

    /// Whether the file has an alpha band, which is not among its [`bands`](Self::bands): pixels have no data where it is 0.
    pub fn has_alpha(&self) -> bool {
        self.alpha
    }

    /// Keeps as many decoded blocks as lie under so many rows, in place of 192 MiB of them: windows of that height decode each
    /// block once where they come row by row from left to right. What is kept so far is dropped.
    pub fn keep_rows(&mut self, rows: usize) {
        if let Source::Blocks(blocks) = &mut self.source {
            blocks.keep_rows(rows);
        }
        if let Some(mask) = &mut self.mask {
            mask.keep_rows(rows);
        }
    }

    /// Memory that the file takes at most after [`keep_rows`](Self::keep_rows) of so many rows, in bytes.
    pub fn bytes_under(&self, rows: usize) -> u64 {
        let mask = self.mask.as_ref().map_or(0, |mask| mask.bytes_under(rows));
        match &self.source {
            Source::Blocks(blocks) => mask + blocks.bytes_under(rows),
            Source::Whole(_) | Source::Decoded(_) => self.most_bytes(),
        }
    }

    /// Rows and columns of a strip or tile; the whole image where there are none.
    pub fn block(&self) -> (usize, usize) {
        match &self.source {
            Source::Blocks(blocks) => blocks.block(),
            Source::Whole(_) | Source::Decoded(_) => (self.height(), self.width()),
        }
    }

    /// Strips and tiles decoded so far, here and by those who share them.
    pub fn decoded_blocks(&self) -> usize {
        match &self.source {
            Source::Blocks(blocks) => blocks.kept.decoded(),
            Source::Whole(_) | Source::Decoded(_) => 1,
        }
    }

    /// Memory that the file takes at most while windows of it are read, in bytes: kept blocks, or the whole image.
    pub fn most_bytes(&self) -> u64 {
        let mask = self.mask.as_ref().map_or(0, |mask| mask.most_bytes());
        match &self.source {
            Source::Blocks(blocks) => mask + blocks.most_bytes(),
            Source::Whole(whole) => {
                (whole.raster.pixels.bytes() + whole.transparent.as_ref().map_or(0, Vec::len)) as u64
            }
            Source::Decoded(_) => 0,
        }
    }

    /// The pixels of a window: unsigned 8-bit and 16-bit samples as they are, all others as f32.
    ///
    /// # Errors
    /// A block that is damaged or cut off, or compressed in a way that is not supported.
    ///
    /// # Panics
    /// When the window is empty or reaches beyond the image.
    pub fn window(&mut self, top: usize, left: usize, height: usize, width: usize) -> Result<Raster, DatasetError> {
        let inside = height > 0 && width > 0 && top + height <= self.height() && left + width <= self.width();
        assert!(
            inside,
            "RasterFile: window {height}x{width} at ({top}, {left}) is not inside {}x{} (height x width)",
            self.height(),
            self.width()
        );
        match &mut self.source {
            Source::Blocks(blocks) => {
                blocks.window(top, left, height, width).map_err(|failure| tiff_error(&self.path, failure))
            }
            Source::Whole(whole) => Ok(whole.raster.window(top, left, height, width)),
            Source::Decoded(decoded) => decoded.window(top, left, height, width),
        }
    }

    /// [`window`](Self::window) with 0 in every band of pixels without data, and for each pixel, row-major, whether it is one: as
    /// [`Raster::is_nodata`] tells, or where alpha or the mask of the file (GDAL's, inside or in `FILE.msk`) is 0.
    ///
    /// # Errors
    /// As [`window`](Self::window).
    ///
    /// # Panics
    /// As [`window`](Self::window).
    pub fn window_and_nodata(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(Raster, Vec<bool>), DatasetError> {
        let mut raster = self.window(top, left, height, width)?;
        let mut nodata = raster.clear_nodata(self.nodata);
        if let Some(transparent) = self.transparent(top, left, height, width)? {
            raster.clear(&transparent);
            nodata.iter_mut().zip(transparent).for_each(|(nodata, transparent)| *nodata |= transparent);
        }
        Ok((raster, nodata))
    }

    /// [`window`](Self::window) with 0 in every band where alpha is 0, which nothing else tells without it.
    pub(crate) fn opaque_window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Raster, DatasetError> {
        let mut raster = self.window(top, left, height, width)?;
        if let Some(transparent) = self.transparent(top, left, height, width)? {
            raster.clear(&transparent);
        }
        Ok(raster)
    }

    /// Which pixels of a window have an alpha or a mask of 0, where there is one.
    pub(super) fn transparent(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Option<Vec<bool>>, DatasetError> {
        let path = &self.path;
        let masked = |mask: &mut TiffBlocks| {
            let mask = mask.window_of(0..1, top, left, height, width).map_err(|failure| tiff_error(path, failure))?;
            Ok::<_, DatasetError>(mask.pixels.are_zero())
        };
        let masked = self.mask.as_deref_mut().map(masked).transpose()?;
        match &mut self.source {
            Source::Blocks(blocks) => {
                let alpha = blocks.alpha(top, left, height, width).map_err(|failure| tiff_error(path, failure))?;
                let transparent = alpha.map(|alpha| alpha.pixels.are_zero());
                Ok(match (transparent, masked) {
                    (Some(transparent), Some(masked)) => Some(
                        transparent
                            .into_iter()
                            .zip(masked)
                            .map(|(transparent, masked)| transparent || masked)
                            .collect(),
                    ),
                    (transparent, masked) => transparent.or(masked),
                })
            }
            Source::Whole(whole) => Ok(whole.transparent.as_ref().map(|transparent| {
                let rows = (top..top + height).map(|row| row * whole.raster.width + left);
                rows.flat_map(|start| &transparent[start..start + width]).copied().collect()
            })),
            Source::Decoded(decoded) => decoded.transparent(top, left, height, width),
        }
    }
}
