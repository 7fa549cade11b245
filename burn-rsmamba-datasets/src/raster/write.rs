//! Writing GeoTIFF files: tiled, compressed, row of tiles by row of tiles.

use std::io::{Seek, Write};

use flate2::{Compression, write::ZlibEncoder};
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKind};
use tiff::tags::{CompressionMethod, PhotometricInterpretation, SampleFormat, Tag};

use super::GeoReference;

/// Rows and columns of a tile.
const TILE: usize = 256;
/// Files whose pixels take more than this become BigTIFF: offsets of 32 bits must reach everything, compressed or not.
const CLASSIC_BYTES: u64 = 3_900_000_000;
/// GDAL's tags, see its GeoTIFF driver.
pub(super) const GDAL_METADATA: u16 = 42112;
const GDAL_NODATA: u16 = 42113;

/// A sample type that [`GeoTiff`] writes.
pub trait GeoSample: Copy + Default {
    #[doc(hidden)]
    const FORMAT: SampleFormat;
    #[doc(hidden)]
    const BYTES: usize;
    #[doc(hidden)]
    fn push(self, bytes: &mut Vec<u8>);
}

impl GeoSample for u8 {
    const FORMAT: SampleFormat = SampleFormat::Uint;
    const BYTES: usize = 1;
    fn push(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
}

impl GeoSample for f32 {
    const FORMAT: SampleFormat = SampleFormat::IEEEFP;
    const BYTES: usize = 4;
    fn push(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

/// A raster of one band that is written as a tiled, Deflate-compressed GeoTIFF; as a BigTIFF where it is that large.
#[derive(Clone, Debug)]
pub struct GeoTiff {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Where it lies, if that is known.
    pub georeference: Option<GeoReference>,
    /// The value of pixels without data, if there is one.
    pub nodata: Option<String>,
}

impl GeoTiff {
    /// Writes the file; `rows(top, count)` gives the values of `count` rows from `top` on, `count * width` of them, and is
    /// called from top to bottom, so that no more than one row of tiles need be in memory. The destination is flushed.
    ///
    /// # Errors
    /// What `rows` returns; what the destination says.
    ///
    /// # Panics
    /// When `rows` gives another number of values.
    pub fn write<T: GeoSample, E: From<tiff::TiffError>>(
        &self,
        destination: impl Write + Seek,
        rows: impl FnMut(usize, usize) -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        self.write_up_to(CLASSIC_BYTES, destination, rows)
    }

    /// Writes a classic file where the pixels take no more than so many bytes.
    fn write_up_to<T: GeoSample, E: From<tiff::TiffError>>(
        &self,
        classic_bytes: u64,
        mut destination: impl Write + Seek,
        rows: impl FnMut(usize, usize) -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        let bytes = self.width as u64 * self.height as u64 * T::BYTES as u64;
        if bytes > classic_bytes {
            self.write_to(&mut TiffEncoder::new_big(&mut destination)?, rows)?;
        } else {
            self.write_to(&mut TiffEncoder::new(&mut destination)?, rows)?;
        }
        // Where it is dropped, nobody would be told that the last bytes found no room.
        destination.flush().map_err(tiff::TiffError::from)?;
        Ok(())
    }

    fn write_to<T: GeoSample, E: From<tiff::TiffError>, W: Write + Seek, K: TiffKind>(
        &self,
        encoder: &mut TiffEncoder<W, K>,
        mut rows: impl FnMut(usize, usize) -> Result<Vec<T>, E>,
    ) -> Result<(), E> {
        let mut directory = encoder.image_directory()?;
        let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
        for top in (0..self.height).step_by(TILE) {
            let count = TILE.min(self.height - top);
            let values = rows(top, count)?;
            assert_eq!(values.len(), count * self.width, "GeoTiff: values of rows {top} to {}", top + count);
            for left in (0..self.width).step_by(TILE) {
                let tile = tile(&values, self.width, left)?;
                offsets.push(K::convert_offset(directory.write_data(&tile[..])?)?);
                sizes.push(K::convert_offset(tile.len() as u64)?);
            }
        }
        directory.write_tag(Tag::ImageWidth, self.width as u32)?;
        directory.write_tag(Tag::ImageLength, self.height as u32)?;
        directory.write_tag(Tag::BitsPerSample, 8 * T::BYTES as u16)?;
        directory.write_tag(Tag::Compression, CompressionMethod::Deflate.to_u16())?;
        directory.write_tag(Tag::PhotometricInterpretation, PhotometricInterpretation::BlackIsZero.to_u16())?;
        directory.write_tag(Tag::SamplesPerPixel, 1_u16)?;
        directory.write_tag(Tag::TileWidth, TILE as u32)?;
        directory.write_tag(Tag::TileLength, TILE as u32)?;
        directory.write_tag(Tag::TileOffsets, K::convert_slice(&offsets))?;
        directory.write_tag(Tag::TileByteCounts, K::convert_slice(&sizes))?;
        directory.write_tag(Tag::SampleFormat, T::FORMAT.to_u16())?;
        write_tags(&mut directory, self.georeference.as_ref(), self.nodata.as_deref())?;
        directory.finish()?;
        Ok(())
    }
}

/// Writes the tags that say where a raster lies and what stands for no data.
pub(super) fn write_tags<W: Write + Seek, K: TiffKind>(
    directory: &mut DirectoryEncoder<'_, W, K>,
    georeference: Option<&GeoReference>,
    nodata: Option<&str>,
) -> Result<(), tiff::TiffError> {
    if let Some(nodata) = nodata {
        directory.write_tag(Tag::Unknown(GDAL_NODATA), nodata)?;
    }
    let Some(GeoReference { transform, keys, doubles, ascii }) = georeference else { return Ok(()) };
    let [x, xc, xr, y, yc, yr] = *transform;
    if xr == 0.0 && yc == 0.0 && xc > 0.0 && yr < 0.0 {
        directory.write_tag(Tag::ModelPixelScaleTag, &[xc, -yr, 0.0][..])?;
        directory.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, x, y, 0.0][..])?;
    } else {
        let matrix = [xc, xr, 0.0, x, yc, yr, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        directory.write_tag(Tag::ModelTransformationTag, &matrix[..])?;
    }
    if !keys.is_empty() {
        directory.write_tag(Tag::GeoKeyDirectoryTag, &keys[..])?;
    }
    if !doubles.is_empty() {
        directory.write_tag(Tag::GeoDoubleParamsTag, &doubles[..])?;
    }
    if !ascii.is_empty() {
        directory.write_tag(Tag::GeoAsciiParamsTag, &ascii[..])?;
    }
    Ok(())
}

/// One tile of a row of tiles, filled up with zeros beyond the border, compressed.
fn tile<T: GeoSample>(values: &[T], width: usize, left: usize) -> Result<Vec<u8>, tiff::TiffError> {
    let mut bytes = Vec::with_capacity(TILE * TILE * T::BYTES);
    let inside = TILE.min(width - left);
    for row in values.chunks_exact(width) {
        row[left..left + inside].iter().for_each(|value| value.push(&mut bytes));
        (inside..TILE).for_each(|_| T::default().push(&mut bytes));
    }
    bytes.resize(TILE * TILE * T::BYTES, 0);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::{Pixels, RasterFile};

    #[test]
    fn what_is_too_large_for_offsets_of_32_bits_becomes_a_bigtiff_of_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.tif");
        let georeference = GeoReference {
            transform: [4.0, 0.5, 0.0, 9.0, 0.0, -0.5],
            keys: vec![1, 1, 0, 1, 3072, 0, 1, 32633],
            doubles: Vec::new(),
            ascii: String::new(),
        };
        let map =
            GeoTiff { width: 300, height: 270, georeference: Some(georeference.clone()), nodata: Some("127".into()) };
        let rows = |top: usize, count: usize| {
            let pixels = top * 300..(top + count) * 300;
            Ok::<Vec<u8>, tiff::TiffError>(pixels.map(|pixel| (pixel * pixel / 7 % 251) as u8).collect())
        };
        // The version is the third number of the header (BigTIFF design, Adobe 2007): 42 or 43.
        for (most, version) in [(300 * 270, 42), (300 * 270 - 1, 43)] {
            map.write_up_to(most, File::create(&path).unwrap(), rows).unwrap();
            assert_eq!(std::fs::read(&path).unwrap()[2..4], [version, 0]);
            let mut file = RasterFile::open(&path).unwrap();
            assert_eq!((file.georeference(), file.nodata()), (Some(&georeference), Some(127.0)));
            assert_eq!(file.window(0, 0, 270, 300).unwrap().pixels, Pixels::U8(rows(0, 270).unwrap()));
        }
    }
}
