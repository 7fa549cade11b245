//! TIFF files, decoded block by block: strips or tiles, interleaved or one plane a band.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use tiff::decoder::{ChunkType, Decoder, Limits};
use tiff::tags::{CompressionMethod, ExtraSamples, PhotometricInterpretation, PlanarConfiguration, SampleFormat, Tag};
use tiff::{ColorType, TiffError};

use super::alone::Form;
use super::blocks::Blocks;
use super::georeference::{GeoReference, text};
use super::placing::{Part, Target};
use super::samples::{self, cropped, filled};
use super::write::GDAL_METADATA;
use super::{Pixels, Raster};

/// The bit of `NewSubfileType` that says that an image masks another (TIFF 6.0, section 8).
const MASK: u32 = 4;

/// A header may claim any size: no block above this is allocated for.
const LARGEST_BLOCK: usize = 1 << 30;

/// Why a file cannot be read.
pub(super) enum Failure {
    /// A sound file of a kind that is not read here.
    Kind(String),
    /// A sound file whose bands are told apart in a way that is not read here.
    Bands(String),
    /// What the decoder said.
    Decoder(TiffError),
}

impl From<TiffError> for Failure {
    fn from(error: TiffError) -> Self {
        Self::Decoder(error)
    }
}

/// The first image of a TIFF file: unsigned, signed or float samples.
#[expect(clippy::struct_excessive_bools, reason = "a header says many things that are or are not")]
pub(super) struct TiffBlocks {
    decoder: Decoder<BufReader<File>>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bands that are kept: an alpha band is not.
    pub(super) bands: usize,
    /// Whether there is an alpha band.
    pub(super) alpha: bool,
    /// Whether samples are floats.
    pub(super) float: bool,
    pub(super) georeference: Option<GeoReference>,
    /// Whether there is something that tells of a place, but no transform.
    pub(super) no_transform: bool,
    pub(super) nodata: Option<f64>,
    pub(super) metadata: Option<String>,
    /// Luminance and chroma become red, green and blue.
    colour: ColorType,
    /// What the blocks are like, where each lies in the file and how many bytes it has there, and which are decoded alone.
    form: Form,
    places: Vec<(u64, u64)>,
    alone: Alone,
    /// Samples of a pixel in the file.
    stored: usize,
    planar: bool,
    bits: usize,
    /// Bytes of a decoded value.
    bytes: usize,
    block_width: usize,
    block_height: usize,
    pub(super) kept: Arc<Blocks>,
}

impl TiffBlocks {
    /// Reads the header; decoded blocks are put into `kept`.
    pub(super) fn open(reader: BufReader<File>, kept: Arc<Blocks>) -> Result<Self, Failure> {
        Self::of(Decoder::new(reader)?.with_limits(limits()), kept)
    }

    /// The mask that GDAL puts beside the image into the file, of which pixels are valid; of this width and height.
    pub(super) fn mask(
        reader: BufReader<File>,
        cache_bytes: usize,
        size: (usize, usize),
    ) -> Result<Option<Self>, Failure> {
        let mut decoder = Decoder::new(reader)?.with_limits(limits());
        while decoder.more_images() {
            // What else the file holds, overviews for instance, may be of any kind.
            if decoder.next_image().is_err() {
                return Ok(None);
            }
            let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType)?.unwrap_or(0);
            let (width, height) = decoder.dimensions()?;
            if kind & MASK != 0 && (width as usize, height as usize) == size {
                return Self::of(decoder, Arc::new(Blocks::new(cache_bytes))).map(Some);
            }
        }
        Ok(None)
    }

    /// The image that a decoder stands at.
    fn of(mut decoder: Decoder<BufReader<File>>, kept: Arc<Blocks>) -> Result<Self, Failure> {
        let (width, height) = decoder.dimensions()?;
        let interpretation = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)?;
        let is_mask = interpretation == Some(PhotometricInterpretation::TransparencyMask.to_u16());
        let colour = if is_mask {
            let bits = decoder.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample)?.unwrap_or_default();
            ColorType::Gray(bits.first().map_or(1, |&bits| bits as u8))
        } else {
            decoder.colortype()?
        };
        let decoded = match colour {
            ColorType::Gray(_)
            | ColorType::GrayA(_)
            | ColorType::RGB(_)
            | ColorType::RGBA(_)
            | ColorType::YCbCr(8)
            | ColorType::Multiband { .. } => usize::from(colour.num_samples()),
            other => return Err(Failure::Kind(format!("{other:?} colours"))),
        };
        let bits = usize::from(colour.bit_depth());
        if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 32 | 64) {
            return Err(Failure::Kind(format!("{bits}-bit samples")));
        }
        let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration)?;
        let samples = usize::from(decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.unwrap_or(1));
        let planar = samples > 1 && planar == Some(PlanarConfiguration::Planar.to_u16());
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)?.unwrap_or_default();
        let alpha = has_alpha(samples, &extra)?;
        let bands = samples - usize::from(alpha);
        let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat)?.unwrap_or_default();
        let is = |kind: SampleFormat| format.first().is_some_and(|&format| format == kind.to_u16());
        let number = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u16>(tag);
        let compression = number(&mut decoder, Tag::Compression)?.unwrap_or(CompressionMethod::None.to_u16());
        let jpeg = compression == CompressionMethod::ModernJPEG.to_u16();
        let white_is_0 = interpretation == Some(PhotometricInterpretation::WhiteIsZero.to_u16());
        // Of samples beside its colours the decoder gives an alpha at most.
        let few = !planar && decoded < samples;
        let tiles = decoder.get_chunk_type() == ChunkType::Tile;
        let ycbcr = matches!(colour, ColorType::YCbCr(_));
        if few && (jpeg || ycbcr) {
            return Err(Failure::Bands(format!("of its {samples} bands JPEG gives the colours alone")));
        }
        if ycbcr && planar {
            return Err(Failure::Kind("YCbCr colours in planes".into()));
        }
        if jpeg && !planar && samples == 2 {
            return Err(Failure::Bands("JPEG compresses its two bands together".into()));
        }
        if jpeg && white_is_0 {
            return Err(Failure::Kind("grey compressed by JPEG in which white is 0".into()));
        }
        let form = Form {
            order: decoder.byte_order(),
            bits: bits as u16,
            samples: if planar { 1 } else { samples as u16 },
            format: format.first().copied().unwrap_or(SampleFormat::Uint.to_u16()),
            compression,
            predictor: number(&mut decoder, Tag::Predictor)?.unwrap_or(1),
        };
        let places = {
            let (offsets, counts) =
                if tiles { (Tag::TileOffsets, Tag::TileByteCounts) } else { (Tag::StripOffsets, Tag::StripByteCounts) };
            let mut numbers = |tag| Ok::<_, TiffError>(decoder.find_tag_unsigned_vec::<u64>(tag)?.unwrap_or_default());
            numbers(offsets)?.into_iter().zip(numbers(counts)?).collect()
        };
        let alone = match () {
            () if few || white_is_0 || is_mask => Alone::Always,
            () if tiles && compression == CompressionMethod::LZW.to_u16() => Alone::AtTheBorder,
            () => Alone::Never,
        };
        let float = is(SampleFormat::IEEEFP);
        // See `decode`.
        let bytes = match bits {
            ..=8 if !float && !is(SampleFormat::Int) => 1,
            16 if !float && !is(SampleFormat::Int) => 2,
            _ => 4,
        };
        let (block_width, block_height) = decoder.chunk_dimensions();
        let georeference = GeoReference::read(&mut decoder)?;
        let no_transform = georeference.is_none()
            && (decoder.find_tag(Tag::ModelTiepointTag)?.is_some()
                || decoder.find_tag(Tag::GeoKeyDirectoryTag)?.is_some());
        let nodata = text(&mut decoder, Tag::GdalNodata)?.and_then(|text| text.trim().parse().ok());
        let metadata = text(&mut decoder, Tag::Unknown(GDAL_METADATA))?;
        Ok(Self {
            decoder,
            width: width as usize,
            height: height as usize,
            bands,
            alpha,
            float,
            georeference,
            no_transform,
            nodata,
            metadata,
            colour,
            form,
            places,
            alone,
            stored: samples,
            planar,
            bits,
            bytes,
            block_width: block_width as usize,
            block_height: block_height as usize,
            kept,
        })
    }

    /// Whether the file holds images behind this one.
    pub(super) fn has_more_images(&self) -> bool {
        self.decoder.more_images()
    }

    /// Rows and columns of one block: a strip is as wide as the image.
    pub(super) fn block(&self) -> (usize, usize) {
        let width = if self.decoder.get_chunk_type() == ChunkType::Strip { self.width } else { self.block_width };
        (self.block_height.min(self.height.max(1)).max(1), width.max(1))
    }

    /// Memory of decoded blocks at most: those that are kept, and no more than there are.
    pub(super) fn most_bytes(&self) -> u64 {
        self.bytes_of(self.height).min(self.kept.most_bytes() as u64)
    }

    /// Keeps the blocks under so many rows.
    pub(super) fn keep_rows(&mut self, rows: usize) {
        self.kept = Arc::new(Blocks::new(usize::try_from(self.bytes_under(rows)).unwrap_or(usize::MAX)));
    }

    /// Bytes of the decoded blocks under so many rows, wherever they begin.
    pub(super) fn bytes_under(&self, rows: usize) -> u64 {
        let block = self.block().0;
        // One that begins on the last row of a block ends up to one block later.
        self.bytes_of((rows.saturating_sub(1).div_ceil(block) + 1).saturating_mul(block).min(self.height))
    }

    /// Bytes of so many decoded rows.
    fn bytes_of(&self, rows: usize) -> u64 {
        [rows, self.stored, self.bytes]
            .into_iter()
            .fold(self.width as u64, |all, factor| all.saturating_mul(factor as u64))
    }

    /// A window inside the image; only the blocks that it touches are decoded, and those in the cache are not.
    pub(super) fn window(&mut self, top: usize, left: usize, height: usize, width: usize) -> Result<Raster, Failure> {
        self.window_of(0..self.bands, top, left, height, width)
    }

    /// The alpha of a window, where there is one.
    pub(super) fn alpha(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Option<Raster>, Failure> {
        if !self.alpha {
            return Ok(None);
        }
        self.window_of(self.bands..self.bands + 1, top, left, height, width).map(Some)
    }

    /// Some samples of each pixel of a window.
    pub(super) fn window_of(
        &mut self,
        kept: Range<usize>,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Raster, Failure> {
        let (rows, columns) = self.block();
        let across = self.width.div_ceil(columns);
        let bands = kept.len();
        let planes = if self.planar { kept.clone() } else { 0..1 };
        let down = self.height.div_ceil(rows);
        let mut pixels: Option<Pixels> = None;
        for block_row in top / rows..(top + height).div_ceil(rows) {
            for block_column in left / columns..(left + width).div_ceil(columns) {
                for plane in planes.clone() {
                    let index = (plane * down + block_row) * across + block_column;
                    let block = self.decode(u32::try_from(index).map_err(|_| too_many_blocks())?)?;
                    let part = Part {
                        row: block_row * rows,
                        column: block_column * columns,
                        height: rows.min(self.height - block_row * rows),
                        width: columns.min(self.width - block_column * columns),
                        samples: if self.planar { 1 } else { self.stored },
                        plane,
                    };
                    let target = Target { top, left, height, width, first: kept.start, bands };
                    let pixels = pixels.get_or_insert_with(|| block.zeros(height * width * bands));
                    if !target.copy(&part, &block, pixels) {
                        return Err(Failure::Decoder(TiffError::FormatError(
                            tiff::TiffFormatError::InconsistentSizesEncountered,
                        )));
                    }
                }
            }
        }
        let pixels = pixels.unwrap_or(Pixels::U8(Vec::new()));
        Ok(Raster { width, height, bands, pixels })
    }

    fn decode(&mut self, index: u32) -> Result<Arc<Pixels>, Failure> {
        let (width, height) = self.decoder.chunk_data_dimensions(index);
        let samples = if self.planar { 1 } else { self.stored };
        let (row, rows) = (width as usize * samples, height as usize);
        let whole = (self.block_height as u32, self.block_width as u32);
        let at_the_border = (height, width) != whole;
        let alone = self.alone == Alone::Always || self.alone == Alone::AtTheBorder && at_the_border;
        let is_tile = self.decoder.get_chunk_type() == ChunkType::Tile;
        let place = self.places.get(index as usize).copied();
        let Self { decoder, kept, bits, bytes, colour, form, nodata, .. } = self;
        kept.get(index, row.saturating_mul(rows).saturating_mul(*bytes), || {
            // GDAL leaves out blocks of nothing but no data.
            if place == Some((0, 0)) {
                let count = row.checked_mul(rows).filter(|count| count.saturating_mul(*bytes) <= LARGEST_BLOCK);
                return Ok(filled(count.ok_or(TiffError::LimitsExceeded)?, *bytes, nodata.unwrap_or(0.0)));
            }
            let decoded = match place {
                Some((offset, count)) if alone => {
                    let stored = if is_tile { whole } else { (height, width) };
                    let block = raw(decoder.inner(), offset, count)?;
                    let decoded = form.decode(&block, stored, limits())?;
                    let inside = (rows, width as usize * samples);
                    if stored == (height, width) {
                        decoded
                    } else if *bits < 8 {
                        // Rows begin on a byte.
                        let bytes = |columns: usize| (columns * samples * *bits).div_ceil(8);
                        cropped(decoded, bytes(stored.1 as usize), (rows, bytes(width as usize)))
                    } else {
                        cropped(decoded, stored.1 as usize * samples, inside)
                    }
                }
                _ => decoder.read_chunk(index)?,
            };
            Ok(samples::pixels(decoded, *bits, (rows, row), matches!(colour, ColorType::YCbCr(_))))
        })
    }

    /// Whether another opening of the file found the same image.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let form = |blocks: &Self| {
            let Self { width, height, stored, planar, alpha, bits, float, block_width, block_height, .. } = blocks;
            let nodata = blocks.nodata.map(f64::to_bits);
            ((*width, *height, *stored, *planar, *alpha, *bits), (*float, *block_width, *block_height, nodata))
        };
        form(self) == form(other)
    }
}

/// Which blocks are decoded by [`Form::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alone {
    Never,
    AtTheBorder,
    Always,
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = LARGEST_BLOCK;
    limits.intermediate_buffer_size = LARGEST_BLOCK;
    limits
}

/// The bytes of a block as they stand in the file.
fn raw(file: &mut BufReader<File>, offset: u64, count: u64) -> Result<Vec<u8>, TiffError> {
    if count > LARGEST_BLOCK as u64 {
        return Err(TiffError::LimitsExceeded);
    }
    let mut block = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    // Grows with what is there, whatever the directory says.
    file.take(count).read_to_end(&mut block)?;
    Ok(block)
}

/// Whether the last of so many samples is alpha, where the ones beyond the colours are these.
fn has_alpha(samples: usize, extra: &[u16]) -> Result<bool, Failure> {
    let is_alpha = |kind: &u16| {
        [ExtraSamples::AssociatedAlpha, ExtraSamples::UnassociatedAlpha].map(|alpha| alpha.to_u16()).contains(kind)
    };
    match extra.iter().position(is_alpha) {
        None => Ok(false),
        Some(index) if index + 1 == extra.len() && samples > 1 => Ok(true),
        Some(index) => {
            let band = (samples + index + 1).saturating_sub(extra.len());
            Err(Failure::Bands(format!("by its tags band {band} of {samples} is alpha, and not the last one")))
        }
    }
}

fn too_many_blocks() -> Failure {
    Failure::Kind("more than 4 G strips or tiles".into())
}
