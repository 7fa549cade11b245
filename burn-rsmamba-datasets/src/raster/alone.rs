//! Strips and tiles that the `tiff` crate does not decode as they are: each is put, compressed as it is, into a file of its own.
//!
//! There it is one whole strip of plain bands, which the crate decodes: tiles that reach beyond the image stop it in the middle of
//! an LZW stream (image-rs/image-tiff#395), grey where white is 0 it inverts, which GDAL does not, and of colours with more bands it
//! gives the colours alone.

use std::io::Cursor;

use tiff::TiffResult;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, Tag};

/// What a block is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) order: ByteOrder,
    pub(super) bits: u16,
    pub(super) samples: u16,
    /// Their format, as the tag says it.
    pub(super) format: u16,
    pub(super) compression: u16,
    pub(super) predictor: u16,
}

impl Form {
    /// The values of a block of `height` rows and `width` columns, all samples of each pixel.
    pub(super) fn decode(
        &self,
        block: &[u8],
        (height, width): (u32, u32),
        limits: Limits,
    ) -> TiffResult<DecodingResult> {
        let mut decoder = Decoder::new(Cursor::new(self.file(block, (height, width))))?.with_limits(limits);
        decoder.read_chunk(0)
    }

    /// A TIFF (revision 6) of this block: its header, its directory and the block.
    fn file(&self, block: &[u8], (height, width): (u32, u32)) -> Vec<u8> {
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        const HEADER: usize = 8;
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let entries = |start: u32| {
            [
                (Tag::ImageWidth, LONG, width),
                (Tag::ImageLength, LONG, height),
                (Tag::BitsPerSample, SHORT, self.bits.into()),
                (Tag::Compression, SHORT, self.compression.into()),
                // Black is 0.
                (Tag::PhotometricInterpretation, SHORT, 1),
                (Tag::StripOffsets, LONG, start),
                (Tag::SamplesPerPixel, SHORT, self.samples.into()),
                (Tag::RowsPerStrip, LONG, height),
                (Tag::StripByteCounts, LONG, length),
                (Tag::Predictor, SHORT, self.predictor.into()),
                (Tag::SampleFormat, SHORT, self.format.into()),
            ]
        };
        let directory = 2 + 12 * entries(0).len() + 4;
        let start = HEADER + directory;
        let big = self.order == ByteOrder::BigEndian;
        let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut file = Vec::with_capacity(start + block.len());
        file.extend(if big { b"MM" } else { b"II" });
        file.extend(short(42));
        file.extend(long(HEADER as u32));
        let entries = entries(start as u32);
        file.extend(short(entries.len() as u16));
        for (tag, kind, value) in entries {
            file.extend(short(tag.to_u16()));
            file.extend(short(kind));
            file.extend(long(1));
            // A short value stands in the first of four bytes.
            if kind == SHORT {
                file.extend(short(value as u16));
                file.extend([0; 2]);
            } else {
                file.extend(long(value));
            }
        }
        file.extend(long(0));
        file.extend(block);
        file
    }
}
