//! Writing a raster that is in memory: any number of bands, one strip.

use std::io::{Seek, Write};

use flate2::{Compression, write::ZlibEncoder};
use tiff::TiffError;
use tiff::encoder::TiffEncoder;
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, SampleFormat, Tag};

use super::write::{GDAL_METADATA, write_tags};
use super::{GeoTags, Pixels, Raster};

impl Raster {
    /// Writes the raster as a GeoTIFF of one Deflate-compressed strip, in the type of its samples. For tiles; whole scenes are
    /// for [`GeoTiff`](super::GeoTiff).
    ///
    /// # Errors
    /// What the destination says, which is flushed; a file of more than 4 GB.
    ///
    /// # Panics
    /// When the raster has no bands.
    pub fn write_geotiff(&self, mut destination: impl Write + Seek, tags: &GeoTags) -> Result<(), TiffError> {
        assert!(self.bands > 0, "a raster without bands cannot be written");
        let (bytes, bits, format): (Vec<u8>, u16, _) = match &self.pixels {
            Pixels::U8(values) => (values.clone(), 8, SampleFormat::Uint),
            Pixels::U16(values) => (values.iter().flat_map(|v| v.to_ne_bytes()).collect(), 16, SampleFormat::Uint),
            Pixels::F32(values) => (values.iter().flat_map(|v| v.to_ne_bytes()).collect(), 32, SampleFormat::IEEEFP),
        };
        let mut strip = ZlibEncoder::new(Vec::new(), Compression::new(6));
        strip.write_all(&bytes)?;
        let strip = strip.finish()?;

        let mut encoder = TiffEncoder::new(&mut destination)?;
        let mut directory = encoder.image_directory()?;
        let offset = u32::try_from(directory.write_data(&strip[..])?)?;
        // Readers take the three samples of a colour for all there are, and a fourth for alpha.
        let (colour, samples) = match self.bands {
            3 => (PhotometricInterpretation::RGB, 3),
            _ => (PhotometricInterpretation::BlackIsZero, 1),
        };
        let others = self.bands - samples;
        directory.write_tag(Tag::ImageWidth, self.width as u32)?;
        directory.write_tag(Tag::ImageLength, self.height as u32)?;
        directory.write_tag(Tag::BitsPerSample, &vec![bits; self.bands][..])?;
        directory.write_tag(Tag::Compression, CompressionMethod::Deflate.to_u16())?;
        directory.write_tag(Tag::PhotometricInterpretation, colour.to_u16())?;
        directory.write_tag(Tag::StripOffsets, offset)?;
        directory.write_tag(Tag::SamplesPerPixel, self.bands as u16)?;
        directory.write_tag(Tag::RowsPerStrip, self.height as u32)?;
        directory.write_tag(Tag::StripByteCounts, u32::try_from(strip.len())?)?;
        if others > 0 {
            directory.write_tag(Tag::ExtraSamples, &vec![ExtraSamples::Unspecified.to_u16(); others][..])?;
        }
        directory.write_tag(Tag::SampleFormat, &vec![format.to_u16(); self.bands][..])?;
        let GeoTags { georeference, nodata, metadata } = tags;
        write_tags(&mut directory, georeference.as_ref(), nodata.map(|value| value.to_string()).as_deref())?;
        if let Some(metadata) = metadata {
            directory.write_tag(Tag::Unknown(GDAL_METADATA), &metadata[..])?;
        }
        directory.finish()?;
        Ok(destination.flush()?)
    }
}
