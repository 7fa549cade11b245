//! Labels: which pixels are target.

use std::path::Path;

use crate::raster::{Pixels, Raster};
use crate::{DatasetError, read_raster};

/// A binary label, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values, 1 where the target is and 0 elsewhere.
    pub data: Vec<u8>,
}

impl Mask {
    /// `h` rows from `y` and `w` columns from `x`; beyond the bottom and right border the last row and column repeat.
    pub(crate) fn crop(&self, y: usize, x: usize, h: usize, w: usize) -> Vec<u8> {
        let mut values = Vec::with_capacity(h * w);
        for row in y..y + h {
            let start = row.min(self.height - 1) * self.width;
            values.extend((x..x + w).map(|column| self.data[start + column.min(self.width - 1)]));
        }
        values
    }
}

/// Reads a binary label: one band, or three equal ones, of 0 and 1 or of 0 and 255.
///
/// A label of one value only may hold 0, 1 or 255.
///
/// # Errors
/// As [`read_raster`]; colours, and any other values, which are then listed.
pub fn read_mask(path: &Path) -> Result<Mask, DatasetError> {
    let raster = read_raster(path)?;
    let values = grey(path, raster.bands, &raster.pixels)?;
    let found = distinct(values.clone());
    if !matches!(found[..], [0.0 | 1.0 | 255.0] | [0.0, 1.0 | 255.0]) {
        return Err(DatasetError::LabelNotBinary { path: path.into(), values: list(&found) });
    }
    let Raster { width, height, .. } = raster;
    let data = values.map(|value| u8::from(value > 0.0)).collect();
    Ok(Mask { width, height, data })
}

/// The first band, if the others say the same.
fn grey<'a>(
    path: &Path,
    bands: usize,
    pixels: &'a Pixels,
) -> Result<impl Iterator<Item = f32> + Clone + use<'a>, DatasetError> {
    let count = pixels.len() / bands;
    let coloured = (0..count).map(|pixel| pixel * bands).find(|&start| {
        let first = pixels.raw(start);
        (start + 1..start + bands).any(|index| pixels.raw(index).to_bits() != first.to_bits())
    });
    match coloured {
        Some(start) => {
            let colour: Vec<_> = (start..start + bands).map(|index| pixels.raw(index).to_string()).collect();
            Err(DatasetError::LabelColoured { path: path.into(), colour: colour.join("/") })
        }
        None => Ok((0..count).map(move |pixel| pixels.raw(pixel * bands))),
    }
}

/// As many values as a message shows.
const SHOWN: usize = 8;

/// The first few distinct values (one more than is shown), sorted.
fn distinct(values: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut found: Vec<f32> = Vec::new();
    for value in values {
        if !found.iter().any(|known| known.to_bits() == value.to_bits()) {
            found.push(value);
            if found.len() > SHOWN {
                break;
            }
        }
    }
    found.sort_by(f32::total_cmp);
    found
}

fn list(found: &[f32]) -> String {
    let shown: Vec<_> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if found.len() > SHOWN { " and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}
