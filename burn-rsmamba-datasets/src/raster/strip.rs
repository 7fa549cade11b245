//! Writing a raster that is in memory: any number of bands, one strip.

use std::io::{Seek, Write};

use flate2::{Compression, write::ZlibEncoder};
use tiff::TiffError;
use tiff::encoder::TiffEncoder;
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, SampleFormat, Tag};

use super::write::tags;
use super::{GeoReference, Pixels, Raster};

impl Raster {
    /// Writes the raster as a GeoTIFF of one Deflate-compressed strip, in the type of its samples. For tiles; whole scenes are
    /// for [`GeoTiff`](super::GeoTiff).
    ///
    /// # Errors
    /// What the destination says; a file of more than 4 GB.
    pub fn write_geotiff(
        &self,
        destination: impl Write + Seek,
        georeference: Option<&GeoReference>,
        nodata: Option<f64>,
    ) -> Result<(), TiffError> {
        let (bytes, bits, format): (Vec<u8>, u16, _) = match &self.pixels {
            Pixels::U8(values) => (values.clone(), 8, SampleFormat::Uint),
            Pixels::U16(values) => (values.iter().flat_map(|v| v.to_ne_bytes()).collect(), 16, SampleFormat::Uint),
            Pixels::F32(values) => (values.iter().flat_map(|v| v.to_ne_bytes()).collect(), 32, SampleFormat::IEEEFP),
        };
        let mut strip = ZlibEncoder::new(Vec::new(), Compression::new(6));
        strip.write_all(&bytes)?;
        let strip = strip.finish()?;

        let mut encoder = TiffEncoder::new(destination)?;
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
        tags(&mut directory, georeference, nodata.map(|value| value.to_string()).as_deref())?;
        directory.finish()?;
        Ok(())
    }

    /// The raster made larger at the bottom and right by repeating its last row and column.
    ///
    /// # Panics
    /// When it is larger than this already.
    #[must_use]
    pub fn padded(self, height: usize, width: usize) -> Self {
        fn pad<T: Copy>(values: &[T], raster: &Raster, height: usize, width: usize) -> Vec<T> {
            let bands = raster.bands;
            let mut padded = Vec::with_capacity(height * width * bands);
            for row in 0..height {
                let row = &values[row.min(raster.height - 1) * raster.width * bands..][..raster.width * bands];
                padded.extend_from_slice(row);
                (raster.width..width).for_each(|_| padded.extend_from_slice(&row[row.len() - bands..]));
            }
            padded
        }
        assert!(self.height <= height && self.width <= width, "Raster::padded: it would be cut");
        let pixels = match &self.pixels {
            Pixels::U8(values) => Pixels::U8(pad(values, &self, height, width)),
            Pixels::U16(values) => Pixels::U16(pad(values, &self, height, width)),
            Pixels::F32(values) => Pixels::F32(pad(values, &self, height, width)),
        };
        Self { width, height, bands: self.bands, pixels }
    }
}
