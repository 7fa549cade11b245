//! Labels: which pixels are target.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use crate::raster::{Pixels, repeated};
use crate::{DatasetError, Raster, read_raster};

/// A label, row-major: where the target is, or the class of each pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values: 1 where the target is and 0 elsewhere, or class indices; [`Mask::IGNORED`] where a pixel
    /// counts nowhere.
    pub data: Vec<u8>,
}

impl Mask {
    /// The value of a pixel that counts nowhere.
    pub const IGNORED: u8 = 255;

    /// Whether a value stands for a target: a class other than 0.
    pub fn is_target(value: u8) -> bool {
        value != 0 && value != Self::IGNORED
    }

    /// How many pixels are target.
    pub fn target(&self) -> usize {
        self.data.iter().filter(|&&value| Self::is_target(value)).count()
    }

    /// `h` rows from `y` and `w` columns from `x`; beyond the bottom and right border the last row and column repeat.
    pub(crate) fn crop(&self, y: usize, x: usize, h: usize, w: usize) -> Self {
        let mut data = Vec::with_capacity(h.saturating_mul(w));
        for row in repeated(y..y + h, self.height) {
            data.extend(repeated(x..x + w, self.width).map(|column| self.data[row * self.width + column]));
        }
        Self { width: w, height: h, data }
    }

    /// Every `ratio`th pixel of each axis, from the middle of its square: values stay labels.
    pub(crate) fn downsampled(&self, ratio: usize) -> Self {
        let (height, width) = (self.height / ratio, self.width / ratio);
        let at =
            |row: usize, column: usize| self.data[(row * ratio + ratio / 2) * self.width + column * ratio + ratio / 2];
        let data = (0..height).flat_map(|row| (0..width).map(move |column| at(row, column))).collect();
        Self { width, height, data }
    }
}

/// Which pixels of a label file are target, or of which class.
///
/// As text: `auto`, `nonzero`, `threshold:128`, `map:2,3`, `channel:0`, `classes:6`, `ignore:255:classes:6` (once).
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
    /// Grey pixels hold the index of their class, below this number of classes.
    Classes(u8),
    /// Pixels of which every band has this value count nowhere; the rule says what the others are.
    Ignore(f32, Box<Self>),
}

impl LabelRule {
    /// How many classes there are; 2 where pixels are target or not.
    pub fn classes(&self) -> usize {
        match self {
            Self::Classes(count) => usize::from(*count),
            Self::Ignore(_, rule) => rule.classes(),
            _ => 2,
        }
    }

    /// The rule for parts of a label that was seen to be binary as a whole; `None` where parts can be judged by themselves.
    pub(crate) fn settled(&self) -> Option<Self> {
        match self {
            Self::Auto => Some(Self::NonZero),
            Self::Ignore(value, rule) => Some(Self::Ignore(*value, Box::new(rule.settled()?))),
            _ => None,
        }
    }

    /// Whether some pixels count nowhere.
    pub fn ignores(&self) -> bool {
        matches!(self, Self::Ignore(..))
    }
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
            Self::Classes(count) => write!(f, "classes:{count}"),
            Self::Ignore(value, rule) => write!(f, "ignore:{value}:{rule}"),
        }
    }
}

impl FromStr for LabelRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, value) = text.split_once(':').map_or((text, None), |(kind, value)| (kind, Some(value)));
        let inner = value.and_then(|rest| rest.split_once(':')).and_then(|(_, rule)| rule.split(':').next());
        if kind == "ignore" && inner == Some("ignore") {
            return Err(format!(
                "`{text:.60}` is no rule for labels: `ignore` names one value; write ignore:VALUE:RULE with another RULE, and give \
                 all pixels that count nowhere that value"
            ));
        }
        let number = |text: &str| text.trim().parse::<f32>().ok().filter(|value| value.is_finite());
        let rule = match (kind, value) {
            ("auto", None) => Some(Self::Auto),
            ("nonzero", None) => Some(Self::NonZero),
            ("threshold", Some(value)) => number(value).map(Self::Threshold),
            ("map", Some(values)) => values.split(',').map(number).collect::<Option<_>>().map(Self::Map),
            ("channel", Some(band)) => band.trim().parse().ok().map(Self::Channel),
            ("classes", Some(count)) => count.trim().parse().ok().filter(|count| *count >= 2).map(Self::Classes),
            ("ignore", Some(rest)) => rest
                .split_once(':')
                .and_then(|(value, rule)| Some(Self::Ignore(number(value)?, Box::new(rule.parse().ok()?)))),
            _ => None,
        };
        let forms =
            "auto, nonzero, threshold:VALUE, map:VALUE,VALUE, channel:BAND, classes:NUMBER or ignore:VALUE:RULE";
        rule.ok_or_else(|| format!("`{text}` is no rule for labels; write {forms}"))
    }
}

/// Reads a label by a rule.
///
/// # Errors
/// As [`read_raster`]; what the rule does not allow: colours, other values (which are listed), a band that is not there.
pub fn read_label(path: &Path, rule: &LabelRule) -> Result<Mask, DatasetError> {
    mask_of(path, &read_raster(path)?, rule, &mut Vec::new())
}

/// Applies a rule to a part of a label file; `seen` collects the values that `auto` found in earlier parts, since only all of
/// them together tell whether the file is binary.
pub(crate) fn mask_of(
    path: &Path,
    raster: &Raster,
    rule: &LabelRule,
    seen: &mut Vec<f32>,
) -> Result<Mask, DatasetError> {
    let data = values(path, raster, rule, &vec![true; raster.width * raster.height], seen)?;
    Ok(Mask { width: raster.width, height: raster.height, data })
}

/// The value of each pixel of the mask; what pixels hold that do not count is not looked at.
fn values(
    path: &Path,
    raster: &Raster,
    rule: &LabelRule,
    counted: &[bool],
    seen: &mut Vec<f32>,
) -> Result<Vec<u8>, DatasetError> {
    let (bands, pixels) = (raster.bands, &raster.pixels);
    let any = |pixel: usize, test: &dyn Fn(f32) -> bool| bands_of(pixel, bands).any(|index| test(pixels.raw(index)));
    let by_pixel = |target: &dyn Fn(usize) -> bool| -> Vec<u8> {
        (0..counted.len()).map(|pixel| u8::from(target(pixel))).collect()
    };
    // The values of a grey label, and those of them that count and do not pass a test.
    let grey = || grey(path, bands, pixels, counted);
    let strangers = |fits: &dyn Fn(f32) -> bool| {
        let values = (0..counted.len()).filter(|&pixel| counted[pixel]).map(|pixel| pixels.raw(pixel * bands));
        let mut found = Vec::new();
        add_distinct(&mut found, values.filter(|&value| !fits(value)));
        found
    };
    Ok(match rule {
        LabelRule::Auto => {
            let values = grey()?;
            let here = (0..counted.len()).filter(|&pixel| counted[pixel]);
            add_distinct(seen, here.map(|pixel| pixels.raw(pixel * bands)));
            if !matches!(seen[..], [] | [0.0 | 1.0 | 255.0] | [0.0, 1.0 | 255.0]) {
                return Err(DatasetError::LabelNotBinary { path: path.into(), values: list(seen) });
            }
            values.map(|value| u8::from(value > 0.0)).collect()
        }
        LabelRule::NonZero => by_pixel(&|pixel| any(pixel, &|value| value != 0.0)),
        LabelRule::Threshold(least) => by_pixel(&|pixel| any(pixel, &|value| value >= *least)),
        LabelRule::Map(targets) => grey()?.map(|value| u8::from(targets.contains(&value))).collect(),
        LabelRule::Channel(band) if *band < bands => {
            let half = match pixels {
                Pixels::U8(_) => 128.0,
                Pixels::U16(_) => 32768.0,
                Pixels::F32(_) => 0.5,
            };
            by_pixel(&|pixel| pixels.raw(pixel * bands + band) >= half)
        }
        LabelRule::Channel(band) => {
            return Err(DatasetError::NoSuchBand { path: path.into(), band: *band, bands });
        }
        LabelRule::Classes(count) => {
            let values = grey()?;
            let found = strangers(&|value| (0.0..f32::from(*count)).contains(&value) && value.fract() == 0.0);
            if !found.is_empty() {
                return Err(DatasetError::LabelNotClass { path: path.into(), values: list(&found), classes: *count });
            }
            values.map(|value| value as u8).collect()
        }
        LabelRule::Ignore(value, rule) => {
            let ignored = |pixel: usize| !any(pixel, &|band| band.to_bits() != value.to_bits());
            let counted: Vec<bool> = (0..counted.len()).map(|pixel| counted[pixel] && !ignored(pixel)).collect();
            let mut data = self::values(path, raster, rule, &counted, seen)?;
            data.iter_mut()
                .zip(&counted)
                .filter(|(_, counted)| !**counted)
                .for_each(|(class, _)| *class = Mask::IGNORED);
            data
        }
    })
}

fn bands_of(pixel: usize, bands: usize) -> Range<usize> {
    pixel * bands..(pixel + 1) * bands
}

/// The first band, if the others say the same at all pixels that count.
fn grey<'a>(
    path: &Path,
    bands: usize,
    pixels: &'a Pixels,
    counted: &[bool],
) -> Result<impl Iterator<Item = f32> + use<'a>, DatasetError> {
    let count = counted.len();
    let coloured = (0..count).filter(|&pixel| counted[pixel]).find(|&pixel| {
        let first = pixels.raw(pixel * bands);
        bands_of(pixel, bands).any(|index| pixels.raw(index).to_bits() != first.to_bits())
    });
    match coloured {
        Some(pixel) => {
            let colour: Vec<_> = bands_of(pixel, bands).map(|index| pixels.raw(index).to_string()).collect();
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
