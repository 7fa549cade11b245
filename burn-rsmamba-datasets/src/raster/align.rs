//! A raster file seen on the grid of another one.

use std::fmt;
use std::path::Path;

use super::{GeoReference, Pixels, Raster, RasterFile};
use crate::DatasetError;

/// Grids may differ by this part of a pixel and count as one.
const SAME: f64 = 1e-3;

/// How pixels between those of a file are made. Neither averages: a file of much finer pixels is sampled, not summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resampling {
    /// The pixel whose area holds the point.
    Nearest,
    /// The four pixels around, by distance.
    Bilinear,
}

impl fmt::Display for Resampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
        })
    }
}

/// A GeoTIFF resampled onto another grid, window by window.
///
/// Both must have one coordinate reference system and parallel axes; origin, pixel size and direction of the axes may differ.
pub struct AlignedFile {
    file: RasterFile,
    rows: Axis,
    columns: Axis,
    resampling: Resampling,
}

/// Where the pixels of one axis of the target lie in the file: `scale * index + offset`, in pixels from its corner.
#[derive(Debug)]
struct Axis {
    scale: f64,
    offset: f64,
    /// Pixels of the file.
    length: usize,
}

/// What a pixel of the target is made of, along one axis: `first` and, by `weight`, `second`.
#[derive(Clone, Copy, Debug)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
    inside: bool,
}

impl AlignedFile {
    /// A file on the grid of a raster of `height` rows and `width` columns that lies at `onto`.
    ///
    /// # Errors
    /// [`DatasetError::NotAligned`] with all the numbers: the file has no georeference, another coordinate reference system, axes that
    /// are not parallel, or nothing in common with the target.
    pub fn new(
        file: RasterFile,
        onto: &GeoReference,
        (height, width): (usize, usize),
        resampling: Resampling,
    ) -> Result<Self, DatasetError> {
        let refuse = |reason: String| refuse(file.path(), reason);
        let Some(own) = file.georeference() else {
            return Err(refuse("it has no georeference".into()));
        };
        if !own.same_reference_system(onto) {
            let (own, onto) = (own.reference_system(), onto.reference_system());
            return Err(refuse(format!(
                "it has another coordinate reference system, {own}; that of the other is {onto}"
            )));
        }
        let (target, source) = (onto.corner_transform(), own.corner_transform());
        let Some([x, xc, xr, y, yc, yr]) = composed(target, source) else {
            return Err(refuse(format!("its transform {source:?} has no inverse")));
        };
        if (xr * height as f64).abs() > 0.01 || (yc * width as f64).abs() > 0.01 {
            return Err(refuse(format!(
                "axes are not parallel: its transform is {source:?}, that of the other {target:?}"
            )));
        }
        let rows = Axis { scale: yr, offset: y, length: file.height() };
        let columns = Axis { scale: xc, offset: x, length: file.width() };
        if !rows.meets(height) || !columns.meets(width) {
            return Err(refuse(format!(
                "they do not overlap: its upper left corner is ({}, {}) with {}x{} pixels, that of the other ({}, {}) with \
                 {width}x{height}",
                source[0],
                source[3],
                file.width(),
                file.height(),
                target[0],
                target[3],
            )));
        }
        Ok(Self { file, rows, columns, resampling })
    }

    /// The file.
    pub fn file(&self) -> &RasterFile {
        &self.file
    }

    /// A window of the target grid, in the type of the file, and for each pixel whether it has no data: outside the file, or
    /// made of a pixel of no data. Outside, the border of the file is repeated.
    ///
    /// # Errors
    /// As [`RasterFile::window`].
    pub fn window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<(Raster, Vec<bool>), DatasetError> {
        let rows: Vec<Tap> = (top..top + height).map(|row| self.rows.tap(row, self.resampling)).collect();
        let columns: Vec<Tap> = (left..left + width).map(|column| self.columns.tap(column, self.resampling)).collect();
        let ((y, part_height), (x, part_width)) = (reach(&rows), reach(&columns));
        let nodata = self.file.nodata();
        let part = self.file.window(y, x, part_height, part_width)?;
        let mut blank = Vec::with_capacity(height * width);
        for row in &rows {
            for column in &columns {
                let hole =
                    |row: usize, column: usize| nodata.is_some_and(|value| part.is_nodata(row - y, column - x, value));
                let [(a, b), (c, d)] = [(row.first, row.second), (column.first, column.second)];
                blank.push(!(row.inside && column.inside) || hole(a, c) || hole(a, d) || hole(b, c) || hole(b, d));
            }
        }
        let bands = part.bands;
        let value = |at: &dyn Fn(usize) -> f32, row: &Tap, column: &Tap, band: usize| {
            let at = |row: usize, column: usize| at(((row - y) * part_width + column - x) * bands + band);
            let across = |row: usize| mix(at(row, column.first), at(row, column.second), column.weight);
            mix(across(row.first), across(row.second), row.weight)
        };
        let values = |at: &dyn Fn(usize) -> f32| -> Vec<f32> {
            let mut values = Vec::with_capacity(height * width * bands);
            for row in &rows {
                for column in &columns {
                    values.extend((0..bands).map(|band| value(at, row, column, band)));
                }
            }
            values
        };
        let pixels = match &part.pixels {
            Pixels::F32(from) => Pixels::F32(values(&|index| from[index])),
            Pixels::U8(from) => {
                Pixels::U8(values(&|index| f32::from(from[index])).iter().map(|value| value.round() as u8).collect())
            }
            Pixels::U16(from) => {
                Pixels::U16(values(&|index| f32::from(from[index])).iter().map(|value| value.round() as u16).collect())
            }
        };
        Ok((Raster { width, height, bands, pixels }, blank))
    }
}

impl Axis {
    /// What a pixel of the target is made of.
    fn tap(&self, index: usize, resampling: Resampling) -> Tap {
        let place = (index as f64 + 0.5) * self.scale + self.offset;
        let last = self.length as f64 - 1.0;
        let inside = place >= -SAME && place <= self.length as f64 + SAME;
        let (first, weight) = match resampling {
            Resampling::Nearest => (place.floor(), 0.0),
            Resampling::Bilinear => {
                let centre = place - 0.5;
                // A grid that only rounding moved takes no part of the next pixel.
                let centre = if (centre - centre.round()).abs() < SAME { centre.round() } else { centre };
                (centre.floor(), centre - centre.floor())
            }
        };
        let at = |place: f64| place.clamp(0.0, last) as usize;
        let second = if weight > 0.0 { first + 1.0 } else { first };
        Tap { first: at(first), second: at(second), weight: weight as f32, inside }
    }

    /// Whether any of `length` pixels of the target lies inside.
    fn meets(&self, length: usize) -> bool {
        let ends = [0.5, length as f64 - 0.5].map(|centre| centre * self.scale + self.offset);
        ends[0].min(ends[1]) < self.length as f64 && ends[0].max(ends[1]) > 0.0
    }
}

/// The first pixel that is needed, and how many.
fn reach(taps: &[Tap]) -> (usize, usize) {
    let first = taps.iter().map(|tap| tap.first.min(tap.second)).min().unwrap_or(0);
    let last = taps.iter().map(|tap| tap.first.max(tap.second)).max().unwrap_or(0);
    (first, last - first + 1)
}

fn mix(first: f32, second: f32, weight: f32) -> f32 {
    // Without a second part its value does not matter, be it infinite.
    if weight > 0.0 { first + weight * (second - first) } else { first }
}

/// From pixels of `target` to pixels of `source`.
fn composed(target: [f64; 6], source: [f64; 6]) -> Option<[f64; 6]> {
    let [x, xc, xr, y, yc, yr] = source;
    let determinant = xc * yr - xr * yc;
    let back = |dx: f64, dy: f64| [(yr * dx - xr * dy) / determinant, (xc * dy - yc * dx) / determinant];
    let [[column, row], [cc, rc], [cr, rr]] =
        [back(target[0] - x, target[3] - y), back(target[1], target[4]), back(target[2], target[5])];
    let result = [column, cc, cr, row, rc, rr];
    result.iter().all(|value| value.is_finite()).then_some(result)
}

fn refuse(path: &Path, reason: String) -> DatasetError {
    DatasetError::NotAligned { path: path.into(), reason }
}
