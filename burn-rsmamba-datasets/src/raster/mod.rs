//! Rasters in memory, and reading them from image files.

mod align;
mod alone;
mod blocks;
mod coregistered;
mod decoded;
mod file;
mod georeference;
mod placing;
mod read;
mod samples;
mod strip;
mod tags;
mod tiff;
mod write;

use std::ops::Range;

pub use align::{AlignedFile, Resampling};
pub use coregistered::CoregisteredFiles;
pub use file::RasterFile;
pub use georeference::GeoReference;
pub(crate) use read::{LARGEST_VALUES, fits_memory};
pub use read::{has_image_extension, read_raster};
pub use tags::GeoTags;
pub use write::{GeoSample, GeoTiff};

/// An image of any number of bands; pixels are interleaved and row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values a pixel.
    pub bands: usize,
    /// `height * width * bands` values.
    pub pixels: Pixels,
}

/// The values of a [`Raster`], in the type the file has them in.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 0 to 255.
    U8(Vec<u8>),
    /// 0 to 65535.
    U16(Vec<u16>),
    /// Any.
    F32(Vec<f32>),
}

/// Places along an axis of so many; beyond its end the last one repeats.
pub(crate) fn repeated(places: Range<usize>, length: usize) -> impl Iterator<Item = usize> {
    places.map(move |place| place.min(length - 1))
}

impl Pixels {
    /// One value, scaled to 0..1 where the type has a largest value.
    fn scaled(&self, index: usize) -> f32 {
        match self {
            Self::U8(values) => f32::from(values[index]) / 255.0,
            Self::U16(values) => f32::from(values[index]) / 65535.0,
            Self::F32(values) => values[index],
        }
    }

    /// One value as it is.
    pub(crate) fn raw(&self, index: usize) -> f32 {
        match self {
            Self::U8(values) => f32::from(values[index]),
            Self::U16(values) => f32::from(values[index]),
            Self::F32(values) => values[index],
        }
    }

    /// Which values are 0.
    fn are_zero(&self) -> Vec<bool> {
        match self {
            Self::U8(values) => values.iter().map(|&value| value == 0).collect(),
            Self::U16(values) => values.iter().map(|&value| value == 0).collect(),
            Self::F32(values) => values.iter().map(|&value| value == 0.0).collect(),
        }
    }

    /// As many zeros of the same type.
    fn zeros(&self, len: usize) -> Self {
        match self {
            Self::U8(_) => Self::U8(vec![0; len]),
            Self::U16(_) => Self::U16(vec![0; len]),
            Self::F32(_) => Self::F32(vec![0.0; len]),
        }
    }

    /// Memory of the values.
    fn bytes(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => 2 * values.len(),
            Self::F32(values) => 4 * values.len(),
        }
    }
}

/// Whether all samples hold this value.
#[expect(clippy::float_cmp, reason = "a value for no data is stored, not computed")]
fn all<T: Copy + Into<f32>>(samples: &[T], value: f32) -> bool {
    samples.iter().all(|&sample| sample.into() == value)
}

impl Raster {
    /// A part that lies inside.
    pub(crate) fn window(&self, top: usize, left: usize, height: usize, width: usize) -> Self {
        fn cut<T: Copy>(values: &[T], rows: Range<usize>, row: usize, part: Range<usize>) -> Vec<T> {
            let mut kept = Vec::with_capacity(rows.len() * part.len());
            rows.for_each(|y| kept.extend_from_slice(&values[y * row + part.start..y * row + part.end]));
            kept
        }
        let row = self.width * self.bands;
        let (rows, part) = (top..top + height, left * self.bands..(left + width) * self.bands);
        let pixels = match &self.pixels {
            Pixels::U8(values) => Pixels::U8(cut(values, rows, row, part)),
            Pixels::U16(values) => Pixels::U16(cut(values, rows, row, part)),
            Pixels::F32(values) => Pixels::F32(cut(values, rows, row, part)),
        };
        Self { width, height, bands: self.bands, pixels }
    }

    /// The raster made larger at the bottom and right by repeating its last row and column.
    pub(crate) fn padded(self, height: usize, width: usize) -> Self {
        fn pad<T: Copy>(values: &[T], raster: &Raster, height: usize, width: usize) -> Vec<T> {
            let bands = raster.bands;
            let mut padded = Vec::with_capacity(height.saturating_mul(width).saturating_mul(bands));
            for row in repeated(0..height, raster.height) {
                for column in repeated(0..width, raster.width) {
                    padded.extend_from_slice(&values[(row * raster.width + column) * bands..][..bands]);
                }
            }
            padded
        }
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let pixels = match &self.pixels {
            Pixels::U8(values) => Pixels::U8(pad(values, &self, height, width)),
            Pixels::U16(values) => Pixels::U16(pad(values, &self, height, width)),
            Pixels::F32(values) => Pixels::F32(pad(values, &self, height, width)),
        };
        Self { width, height, bands: self.bands, pixels }
    }

    /// Squares of `ratio` by `ratio` pixels become one, their mean, in the same type; what is left at the bottom and right is
    /// dropped.
    pub(crate) fn downsampled(&self, ratio: usize) -> Self {
        let (height, width) = (self.height / ratio, self.width / ratio);
        let means = (0..height * width * self.bands).map(|index| {
            let (pixel, band) = (index / self.bands, index % self.bands);
            let (top, left) = (pixel / width * ratio, pixel % width * ratio);
            let rows = top..top + ratio;
            let value = |row, column| f64::from(self.pixels.raw((row * self.width + column) * self.bands + band));
            let sum: f64 = rows
                .flat_map(|row| (left..left + ratio).map(move |column| (row, column)))
                .map(|(r, c)| value(r, c))
                .sum();
            sum / (ratio * ratio) as f64
        });
        let pixels = match &self.pixels {
            Pixels::U8(_) => Pixels::U8(means.map(|mean| mean.round() as u8).collect()),
            Pixels::U16(_) => Pixels::U16(means.map(|mean| mean.round() as u16).collect()),
            Pixels::F32(_) => Pixels::F32(means.map(|mean| mean as f32).collect()),
        };
        Self { width, height, bands: self.bands, pixels }
    }

    /// The whole image as planes, band by band.
    ///
    /// 8-bit values are divided by 255, 16-bit values by 65535, floats stay as they are.
    pub fn to_chw_f32(&self) -> Vec<f32> {
        self.crop_chw_f32(0, 0, self.height, self.width)
    }

    /// `h` rows from `y` and `w` columns from `x` as planes, scaled as in [`Raster::to_chw_f32`].
    ///
    /// Beyond the bottom and right border the last row and column are repeated.
    ///
    /// # Panics
    /// When the raster has no pixels and the part has; when memory does not hold the part.
    pub fn crop_chw_f32(&self, y: usize, x: usize, h: usize, w: usize) -> Vec<f32> {
        let mut planes = Vec::with_capacity(self.bands.saturating_mul(h).saturating_mul(w));
        for band in 0..self.bands {
            for row in repeated(y..y + h, self.height) {
                let value = |column| self.pixels.scaled((row * self.width + column) * self.bands + band);
                planes.extend(repeated(x..x + w, self.width).map(value));
            }
        }
        planes
    }

    /// Whether a pixel has no data, where `nodata` is the file's value for that ([`RasterFile::nodata`]).
    ///
    /// It has none where every band holds that value. Samples that are no unsigned integers of up to 16 bits have none either
    /// where one band is not finite, or holds a value for no data other than 0: such a number is no measurement, whatever the
    /// other bands hold.
    ///
    /// # Panics
    /// When the pixel lies beyond the last one.
    pub fn is_nodata(&self, row: usize, column: usize, nodata: Option<f64>) -> bool {
        let start = (row * self.width + column) * self.bands;
        let range = start..start + self.bands;
        // The tag is a decimal text of a value that was stored in the samples' own type.
        let nodata = nodata.map(|value| value as f32);
        match &self.pixels {
            Pixels::U8(values) => nodata.is_some_and(|none| all(&values[range], none)),
            Pixels::U16(values) => nodata.is_some_and(|none| all(&values[range], none)),
            Pixels::F32(values) => {
                let values = &values[range];
                !values.iter().all(|value| value.is_finite())
                    || nodata.is_some_and(|none| match none {
                        0.0 => all(values, none),
                        none => values.contains(&none),
                    })
            }
        }
    }

    /// Puts 0 into every band of pixels without data ([`is_nodata`](Self::is_nodata)): no other value there is sure not to upset
    /// a model. Gives back which they are, row-major; zeros count as blank.
    pub fn clear_nodata(&mut self, nodata: Option<f64>) -> Vec<bool> {
        if nodata.is_none() && !matches!(self.pixels, Pixels::F32(_)) {
            return vec![false; self.width * self.height];
        }
        let cleared: Vec<bool> = (0..self.width * self.height).map(|pixel| self.is_nodata(0, pixel, nodata)).collect();
        self.clear(&cleared);
        cleared
    }

    /// Puts 0 into every band of these pixels.
    pub(super) fn clear(&mut self, pixels: &[bool]) {
        fn clear<T: Copy + Default>(values: &mut [T], bands: usize, pixels: &[bool]) {
            let chosen = values.chunks_exact_mut(bands).zip(pixels).filter(|(_, chosen)| **chosen);
            chosen.for_each(|(values, _)| values.fill(T::default()));
        }
        match &mut self.pixels {
            Pixels::U8(values) => clear(values, self.bands, pixels),
            Pixels::U16(values) => clear(values, self.bands, pixels),
            Pixels::F32(values) => clear(values, self.bands, pixels),
        }
    }

    /// Whether a pixel holds no picture: all bands at the smallest or largest value of the type, or one that is not finite.
    pub(crate) fn is_blank(&self, row: usize, column: usize) -> bool {
        let start = (row * self.width + column) * self.bands;
        let range = start..start + self.bands;
        match &self.pixels {
            Pixels::U8(values) => {
                values[range.clone()].iter().all(|&v| v == 0) || values[range].iter().all(|&v| v == u8::MAX)
            }
            Pixels::U16(values) => {
                values[range.clone()].iter().all(|&v| v == 0) || values[range].iter().all(|&v| v == u16::MAX)
            }
            Pixels::F32(values) => {
                values[range.clone()].iter().all(|&v| v == 0.0) || !values[range].iter().all(|v| v.is_finite())
            }
        }
    }
}
