//! Labels: which pixels are target.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use crate::raster::Pixels;
use crate::{DatasetError, Raster, read_raster};

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
    /// How many pixels are target.
    pub fn target(&self) -> usize {
        self.data.iter().map(|&value| usize::from(value)).sum()
    }

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

/// Which pixels of a label file are target.
///
/// As text: `auto`, `nonzero`, `threshold:128`, `map:2,3`, `channel:0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LabelRule {
    /// One band, or equal ones, of 0 and 1 or of 0 and 255 (one value alone: 0, 1 or 255); all else is refused.
    #[default]
    Auto,
    /// Pixels of which any band is not 0.
    NonZero,
    /// Pixels whose largest band is at least this.
    Threshold(f32),
    /// Grey pixels of one of these values.
    Map(Vec<f32>),
    /// Pixels of which this band, counted from 0, is at least half of what its type can hold (floats: 0.5).
    Channel(usize),
}

impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::NonZero => f.write_str("nonzero"),
            Self::Threshold(value) => write!(f, "threshold:{value}"),
            Self::Map(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "map:{}", values.join(","))
            }
            Self::Channel(band) => write!(f, "channel:{band}"),
        }
    }
}

impl FromStr for LabelRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, value) = text.split_once(':').map_or((text, None), |(kind, value)| (kind, Some(value)));
        let number = |text: &str| text.trim().parse::<f32>().ok().filter(|value| value.is_finite());
        let rule = match (kind, value) {
            ("auto", None) => Some(Self::Auto),
            ("nonzero", None) => Some(Self::NonZero),
            ("threshold", Some(value)) => number(value).map(Self::Threshold),
            ("map", Some(values)) => values.split(',').map(number).collect::<Option<_>>().map(Self::Map),
            ("channel", Some(band)) => band.trim().parse().ok().map(Self::Channel),
            _ => None,
        };
        let forms = "auto, nonzero, threshold:VALUE, map:VALUE,VALUE or channel:BAND";
        rule.ok_or_else(|| format!("`{text}` is no rule for labels; write {forms}"))
    }
}

/// Reads a plainly binary label: [`LabelRule::Auto`].
///
/// # Errors
/// As [`read_label`].
pub fn read_mask(path: &Path) -> Result<Mask, DatasetError> {
    read_label(path, &LabelRule::Auto)
}

/// Reads a label by a rule.
///
/// # Errors
/// As [`read_raster`]; what the rule does not allow: colours, other values (which are listed), a band that is not there.
pub fn read_label(path: &Path, rule: &LabelRule) -> Result<Mask, DatasetError> {
    mask_of(path, &read_raster(path)?, rule, &mut Vec::new())
}

/// Applies a rule to a label file, or to a part of it; `seen` collects the values that `auto` found in earlier parts, since
/// only all of them together tell whether the file is binary.
pub(crate) fn mask_of(
    path: &Path,
    raster: &Raster,
    rule: &LabelRule,
    seen: &mut Vec<f32>,
) -> Result<Mask, DatasetError> {
    let (bands, pixels) = (raster.bands, &raster.pixels);
    let count = pixels.len() / bands;
    let by_pixel = |target: &dyn Fn(Range<usize>) -> bool| -> Vec<u8> {
        (0..count).map(|pixel| u8::from(target(pixel * bands..(pixel + 1) * bands))).collect()
    };
    let data = match rule {
        LabelRule::Auto => {
            let values = grey(path, bands, pixels)?;
            add_distinct(seen, values.clone());
            if !matches!(seen[..], [0.0 | 1.0 | 255.0] | [0.0, 1.0 | 255.0]) {
                return Err(DatasetError::LabelNotBinary { path: path.into(), values: list(seen) });
            }
            values.map(|value| u8::from(value > 0.0)).collect()
        }
        LabelRule::NonZero => by_pixel(&|pixel| pixel.into_iter().any(|index| pixels.raw(index) != 0.0)),
        LabelRule::Threshold(least) => by_pixel(&|pixel| pixel.into_iter().any(|index| pixels.raw(index) >= *least)),
        LabelRule::Map(targets) => grey(path, bands, pixels)?.map(|value| u8::from(targets.contains(&value))).collect(),
        LabelRule::Channel(band) if *band < bands => {
            let half = match pixels {
                Pixels::U8(_) => 128.0,
                Pixels::U16(_) => 32768.0,
                Pixels::F32(_) => 0.5,
            };
            by_pixel(&|pixel| pixels.raw(pixel.start + band) >= half)
        }
        LabelRule::Channel(band) => {
            return Err(DatasetError::NoSuchBand { path: path.into(), band: *band, bands });
        }
    };
    Ok(Mask { width: raster.width, height: raster.height, data })
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

/// Adds the values that are new, until there is one more than is shown; sorted.
fn add_distinct(found: &mut Vec<f32>, values: impl Iterator<Item = f32>) {
    for value in values {
        if found.len() > SHOWN {
            break;
        }
        if !found.iter().any(|known| known.to_bits() == value.to_bits()) {
            found.push(value);
        }
    }
    found.sort_by(f32::total_cmp);
}

fn list(found: &[f32]) -> String {
    let shown: Vec<_> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if found.len() > SHOWN { " and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}
