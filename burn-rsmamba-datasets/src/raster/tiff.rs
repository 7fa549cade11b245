//! TIFF files, decoded whole.

use std::io::{BufRead, Seek};
use std::path::Path;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{PlanarConfiguration, Tag};
use tiff::{ColorType, TiffError};

use super::read::{keep_bands, one_line};
use super::{Pixels, Raster};
use crate::DatasetError;

/// A header may claim any size: no single image above this is allocated for.
const LARGEST_BYTES: usize = 2 << 30;

/// Reads the first image of a TIFF file: 8-bit or 16-bit unsigned or float32, interleaved bands.
pub(super) fn read<R: BufRead + Seek>(path: &Path, reader: R) -> Result<Raster, DatasetError> {
    decode(reader).map_err(|failure| {
        let path = path.to_path_buf();
        match failure {
            Failure::Kind(reason) => DatasetError::Unsupported { path, reason },
            Failure::Decoder(error) => {
                let reason = one_line(&error.to_string());
                match error {
                    TiffError::UnsupportedError(_) | TiffError::LimitsExceeded | TiffError::UsageError(_) => {
                        DatasetError::Unsupported { path, reason }
                    }
                    _ => DatasetError::Damaged { path, reason },
                }
            }
        }
    })
}

enum Failure {
    Kind(String),
    Decoder(TiffError),
}

impl From<TiffError> for Failure {
    fn from(error: TiffError) -> Self {
        Self::Decoder(error)
    }
}

fn decode<R: BufRead + Seek>(reader: R) -> Result<Raster, Failure> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = LARGEST_BYTES;
    limits.intermediate_buffer_size = LARGEST_BYTES;
    let mut decoder = Decoder::new(reader)?.with_limits(limits);
    let (width, height) = decoder.dimensions()?;
    let (width, height) = (width as usize, height as usize);
    let colour = decoder.colortype()?;
    let (stored, bands) = match colour {
        ColorType::Gray(_) => (1, 1),
        ColorType::GrayA(_) => (2, 1),
        ColorType::RGB(_) => (3, 3),
        ColorType::RGBA(_) => (4, 3),
        ColorType::Multiband { num_samples, .. } => (usize::from(num_samples), usize::from(num_samples)),
        other => return Err(Failure::Kind(format!("{other:?} colours"))),
    };
    let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)?;
    if stored > 1 && planar == Some(PlanarConfiguration::Planar.to_u16()) {
        return Err(Failure::Kind("bands stored one after the other instead of interleaved".into()));
    }
    let pixels = match decoder.read_image()? {
        DecodingResult::U8(values) => match colour.bit_depth() {
            8 => Pixels::U8(values),
            bits @ (1 | 2 | 4) => Pixels::U8(unpack(&values, width * stored, height, usize::from(bits))),
            bits => return Err(Failure::Kind(format!("{bits}-bit samples"))),
        },
        DecodingResult::U16(values) => Pixels::U16(values),
        DecodingResult::F32(values) => Pixels::F32(values),
        _ => return Err(Failure::Kind(format!("{}-bit samples of this type", colour.bit_depth()))),
    };
    if pixels.len() != width * height * stored {
        return Err(TiffError::FormatError(tiff::TiffFormatError::InconsistentSizesEncountered).into());
    }
    let pixels = match pixels {
        pixels if stored == bands => pixels,
        Pixels::U8(values) => Pixels::U8(keep_bands(&values, stored, bands)),
        Pixels::U16(values) => Pixels::U16(keep_bands(&values, stored, bands)),
        Pixels::F32(values) => Pixels::F32(keep_bands(&values, stored, bands)),
    };
    Ok(Raster { width, height, bands, pixels })
}

/// Samples of 1, 2 or 4 bits, each row starting on a byte, spread over 0..255 as PNG readers do.
fn unpack(packed: &[u8], samples: usize, rows: usize, bits: usize) -> Vec<u8> {
    let largest = ((1_u16 << bits) - 1) as u8;
    let unpack_row = |row: &[u8]| -> Vec<u8> {
        let value = |bit: usize| (row[bit / 8] >> (8 - bits - bit % 8)) & largest;
        (0..samples).map(|sample| value(sample * bits) * (255 / largest)).collect()
    };
    packed.chunks_exact((samples * bits).div_ceil(8)).take(rows).flat_map(unpack_row).collect()
}
