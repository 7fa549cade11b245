//! The samples of a decoded block as [`Pixels`].

use tiff::decoder::DecodingResult;

use super::Pixels;

/// What the decoder gave of a block of so many rows and values a row: unsigned 8-bit and 16-bit samples as they are, less than 8 bits
/// spread, all others as floats; luminance and chroma as red, green and blue.
pub(super) fn pixels(decoded: DecodingResult, bits: usize, (rows, row): (usize, usize), ycbcr: bool) -> Pixels {
    match decoded {
        DecodingResult::U8(values) if bits < 8 => Pixels::U8(unpack(&values, row, rows, bits)),
        DecodingResult::U8(mut values) => {
            if ycbcr {
                values.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = rgb(*pixel));
            }
            Pixels::U8(values)
        }
        DecodingResult::U16(values) => Pixels::U16(values),
        DecodingResult::F32(values) => Pixels::F32(values),
        DecodingResult::F16(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
        DecodingResult::F64(values) => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
        DecodingResult::I8(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
        DecodingResult::I16(values) => Pixels::F32(values.into_iter().map(f32::from).collect()),
        DecodingResult::I32(values) => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
        DecodingResult::U32(values) => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
        DecodingResult::I64(values) => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
        DecodingResult::U64(values) => Pixels::F32(values.into_iter().map(|value| value as f32).collect()),
    }
}

/// So many values of a type of so many bytes.
pub(super) fn filled(count: usize, bytes: usize, value: f64) -> Pixels {
    match bytes {
        1 => Pixels::U8(vec![value as u8; count]),
        2 => Pixels::U16(vec![value as u16; count]),
        _ => Pixels::F32(vec![value as f32; count]),
    }
}

/// The first rows of a block and of each the first values.
pub(super) fn cropped(values: DecodingResult, row: usize, (rows, kept): (usize, usize)) -> DecodingResult {
    fn crop<T: Copy>(values: Vec<T>, row: usize, rows: usize, kept: usize) -> Vec<T> {
        values.chunks_exact(row).take(rows).flat_map(|row| &row[..kept]).copied().collect()
    }
    match values {
        DecodingResult::U8(values) => DecodingResult::U8(crop(values, row, rows, kept)),
        DecodingResult::U16(values) => DecodingResult::U16(crop(values, row, rows, kept)),
        DecodingResult::U32(values) => DecodingResult::U32(crop(values, row, rows, kept)),
        DecodingResult::U64(values) => DecodingResult::U64(crop(values, row, rows, kept)),
        DecodingResult::F16(values) => DecodingResult::F16(crop(values, row, rows, kept)),
        DecodingResult::F32(values) => DecodingResult::F32(crop(values, row, rows, kept)),
        DecodingResult::F64(values) => DecodingResult::F64(crop(values, row, rows, kept)),
        DecodingResult::I8(values) => DecodingResult::I8(crop(values, row, rows, kept)),
        DecodingResult::I16(values) => DecodingResult::I16(crop(values, row, rows, kept)),
        DecodingResult::I32(values) => DecodingResult::I32(crop(values, row, rows, kept)),
        DecodingResult::I64(values) => DecodingResult::I64(crop(values, row, rows, kept)),
    }
}

/// Red, green and blue of luminance and chroma in the full range, as JPEG has them (ITU-T T.871, 7).
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    // A cast rounds towards zero and stops at the ends of the range.
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|value| (value + 0.5) as u8)
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
