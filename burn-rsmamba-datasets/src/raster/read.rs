//! Reading an image file by what it holds, not by what it is called.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageError, ImageFormat, ImageReader};
use tiff::tags::CompressionMethod;
use tiff::{TiffError, TiffUnsupportedError};

use super::tiff::Failure;
use super::{Pixels, Raster, RasterFile};
use crate::DatasetError;

/// The extensions of files that are looked at, in lower case.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "bmp", "tif", "tiff"];

/// Whether a file's name says that it is an image; hidden files are none.
pub fn has_image_extension(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    !hidden && extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// No image of more values is held whole.
pub(crate) const LARGEST_VALUES: usize = 2 << 30;

/// Reads a PNG, JPEG, BMP or TIFF file whole, whatever its extension.
///
/// Palettes are expanded, an alpha band is dropped, grey stays one band. Larger files are for
/// [`RasterFile`](super::RasterFile), which reads windows.
///
/// # Errors
/// A file that is not there, is no image, is cut off or damaged, is of a kind that is not supported, or has more than
/// 2^31 values.
pub fn read_raster(path: &Path) -> Result<Raster, DatasetError> {
    // Every block is needed once, so none is kept.
    let mut file = RasterFile::with_cache(path, 0)?;
    let (width, height, bands) = (file.width(), file.height(), file.bands());
    fits_memory(path, width, height, bands)?;
    file.window(0, 0, height, width)
}

/// An image of this size may be held whole.
pub(crate) fn fits_memory(path: &Path, width: usize, height: usize, bands: usize) -> Result<(), DatasetError> {
    if width.saturating_mul(height).saturating_mul(bands) <= LARGEST_VALUES {
        return Ok(());
    }
    let reason = format!("{width}x{height} pixels of {bands} bands do not fit into memory at once");
    Err(DatasetError::TooLarge { path: path.into(), reason })
}

/// Opens a file and finds out what it holds.
pub(super) fn sniff(path: &Path) -> Result<(Kind, BufReader<File>), DatasetError> {
    let io = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound => DatasetError::Missing { path: path.into() },
        _ => DatasetError::Io { path: path.into(), cause },
    };
    let mut file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start).map_err(io)?;
    file.rewind().map_err(io)?;
    match Kind::of(&start) {
        Some(kind) => Ok((kind, BufReader::new(file))),
        None => Err(DatasetError::NotAnImage { path: path.into(), looks_like: describe(&start) }),
    }
}

/// Decodes what is no TIFF; with it, where there was alpha, which pixels are transparent.
pub(super) fn decode_image(
    path: &Path,
    reader: BufReader<File>,
    format: ImageFormat,
) -> Result<(Raster, Option<Vec<bool>>), DatasetError> {
    let image = ImageReader::with_format(reader, format).decode().map_err(|error| decode_error(path, &error))?;
    let transparent = match &image {
        DynamicImage::ImageLumaA8(image) => Some(are_transparent(image, 2)),
        DynamicImage::ImageRgba8(image) => Some(are_transparent(image, 4)),
        DynamicImage::ImageLumaA16(image) => Some(are_transparent(image, 2)),
        DynamicImage::ImageRgba16(image) => Some(are_transparent(image, 4)),
        _ => None,
    };
    Ok((from_image(path, image)?, transparent))
}

/// What is wrong with a TIFF, with its name.
pub(super) fn tiff_error(path: &Path, failure: Failure) -> DatasetError {
    let path = path.to_path_buf();
    match failure {
        Failure::Kind(reason) => DatasetError::Unsupported { path, reason },
        Failure::Bands(reason) => DatasetError::Bands { path, reason },
        Failure::Decoder(error) => {
            let reason = one_line(&error.to_string());
            match error {
                TiffError::UnsupportedError(TiffUnsupportedError::UnsupportedCompressionMethod(method)) => {
                    unread_compression(path, method)
                }
                TiffError::UnsupportedError(_) | TiffError::UsageError(_) => DatasetError::Unsupported { path, reason },
                TiffError::LimitsExceeded => DatasetError::TooLarge { path, reason },
                _ => DatasetError::Damaged { path, reason },
            }
        }
    }
}

fn unread_compression(path: PathBuf, method: CompressionMethod) -> DatasetError {
    let rebuild = match method {
        CompressionMethod::ZSTD => "build with the feature `zstd`, or ",
        _ => "",
    };
    // The names of GDAL's documentation.
    let method = match method {
        CompressionMethod::Unknown(34887) => "LERC".into(),
        CompressionMethod::Unknown(34925) => "LZMA".into(),
        CompressionMethod::Unknown(50002 | 52546) => "JXL".into(),
        method => format!("{method:?}"),
    };
    DatasetError::Compression { path, method, rebuild }
}

/// What decodes a file.
pub(super) enum Kind {
    Tiff,
    Other(ImageFormat),
}

impl Kind {
    fn of(start: &[u8]) -> Option<Self> {
        const TIFF: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
        if TIFF.iter().any(|magic| start.starts_with(magic)) {
            return Some(Self::Tiff);
        }
        let format = image::guess_format(start).ok()?;
        matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Bmp).then_some(Self::Other(format))
    }
}

/// What a file that is no image looks like.
fn describe(start: &[u8]) -> String {
    if start.is_empty() {
        "it is empty".into()
    } else if start.starts_with(b"version https://git-lfs") {
        "it is a Git LFS pointer, `git lfs pull` fetches the file".into()
    } else if let Ok(format) = image::guess_format(start) {
        format!("it is {format:?}")
    } else if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        let text = String::from_utf8_lossy(start);
        let words: Vec<_> = text.split_whitespace().collect();
        format!("it is text: `{:.30}`", words.join(" "))
    } else {
        "its first bytes are of no known image format".into()
    }
}

fn decode_error(path: &Path, error: &ImageError) -> DatasetError {
    let (path, reason) = (path.to_path_buf(), one_line(&error.to_string()));
    match error {
        ImageError::Unsupported(_) => DatasetError::Unsupported { path, reason },
        ImageError::Limits(_) => DatasetError::TooLarge { path, reason },
        _ => DatasetError::Damaged { path, reason },
    }
}

/// A foreign message on one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn from_image(path: &Path, image: DynamicImage) -> Result<Raster, DatasetError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (bands, pixels) = match image {
        DynamicImage::ImageLuma8(image) => (1, Pixels::U8(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (3, Pixels::U8(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (1, Pixels::U8(keep_bands(&image, 2, 1))),
        DynamicImage::ImageRgba8(image) => (3, Pixels::U8(keep_bands(&image, 4, 3))),
        DynamicImage::ImageLuma16(image) => (1, Pixels::U16(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (3, Pixels::U16(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (1, Pixels::U16(keep_bands(&image, 2, 1))),
        DynamicImage::ImageRgba16(image) => (3, Pixels::U16(keep_bands(&image, 4, 3))),
        other => {
            let reason = format!("{:?} pixels", other.color());
            return Err(DatasetError::Unsupported { path: path.into(), reason });
        }
    };
    Ok(Raster { width, height, bands, pixels })
}

/// Whether the last of every `bands` values is 0.
fn are_transparent<T: Copy + Into<u32>>(values: &[T], bands: usize) -> Vec<bool> {
    values.chunks_exact(bands).map(|pixel| pixel[bands - 1].into() == 0).collect()
}

/// The first `keep` of every `bands` values.
fn keep_bands<T: Copy>(values: &[T], bands: usize, keep: usize) -> Vec<T> {
    values.chunks_exact(bands).flat_map(|pixel| &pixel[..keep]).copied().collect()
}
