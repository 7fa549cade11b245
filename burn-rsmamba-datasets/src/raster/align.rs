//! A raster file seen on the grid of another one.

use std::fmt;
use std::path::Path;

use super::{GeoReference, Pixels, Raster, RasterFile};
use crate::DatasetError;

/// Grids may differ by this part of a pixel and count as one.
const SAME: f64 = 1e-3;

/// Values of the file that are read at a time, where one row of the target needs no more.
const PIECE_VALUES: usize = 16 << 20;

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

    /// A window of the target grid, in the type of the file, and for each pixel whether it has no data: outside the file, where its
    /// border is repeated, or made of a pixel of no data ([`RasterFile::window_and_nodata`]), with 0 in every band.
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
        self.in_pieces(top, left, height, width, PIECE_VALUES)
    }

    /// The file that is resampled.
    pub fn file(&self) -> &RasterFile {
        &self.file
    }

    /// Memory that the file takes at most after [`keep_rows`](Self::keep_rows) of so many rows, in bytes.
    pub fn bytes_under(&self, rows: usize) -> u64 {
        self.file.bytes_under(self.rows.length_under(rows))
    }

    /// Keeps the blocks under so many rows of the target, see [`RasterFile::keep_rows`].
    pub fn keep_rows(&mut self, rows: usize) {
        self.file.keep_rows(self.rows.length_under(rows));
    }

    /// [`window`](Self::window), for which about so many values of the file are read at a time: the grid may be so much coarser
    /// that all that lies under a window fills the memory, though two rows and columns of it for each pixel are needed.
    fn in_pieces(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
        most_values: usize,
    ) -> Result<(Raster, Vec<bool>), DatasetError> {
        let rows: Vec<Tap> = (top..top + height).map(|row| self.rows.tap(row, self.resampling)).collect();
        let columns: Vec<Tap> = (left..left + width).map(|column| self.columns.tap(column, self.resampling)).collect();
        let (x, part_width) = reach(&columns);
        let bands = self.file.bands();
        let mut blank = Vec::with_capacity(height * width);
        let mut values = Vec::with_capacity(height * width * bands);
        let mut none = Pixels::U8(Vec::new());
        for rows in pieces(&rows, most_values / (part_width * bands).max(1)) {
            let (y, part_height) = reach(rows);
            let (part, nodata) = self.file.window_and_nodata(y, x, part_height, part_width)?;
            let hole = |row: usize, column: usize| nodata[(row - y) * part_width + column - x];
            let at = |row: usize, column: usize, band: usize| {
                part.pixels.raw(((row - y) * part_width + column - x) * bands + band)
            };
            for row in rows {
                for column in &columns {
                    let [(a, b), (c, d)] = [(row.first, row.second), (column.first, column.second)];
                    let hole = hole(a, c) || hole(a, d) || hole(b, c) || hole(b, d);
                    blank.push(hole || !(row.inside && column.inside));
                    let across = |row, band| mix(at(row, c, band), at(row, d, band), column.weight);
                    let value = |band| if hole { 0.0 } else { mix(across(a, band), across(b, band), row.weight) };
                    values.extend((0..bands).map(value));
                }
            }
            none = part.pixels.zeros(0);
        }
        let pixels = match none {
            Pixels::F32(_) => Pixels::F32(values),
            Pixels::U8(_) => Pixels::U8(values.iter().map(|value| value.round() as u8).collect()),
            Pixels::U16(_) => Pixels::U16(values.iter().map(|value| value.round() as u16).collect()),
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

    /// Pixels of the file under so many of the target, with the neighbours that are mixed in.
    fn length_under(&self, length: usize) -> usize {
        (length as f64 * self.scale.abs()).ceil() as usize + 2
    }

    /// Whether any of `length` pixels of the target lies inside.
    fn meets(&self, length: usize) -> bool {
        let ends = [0.5, length as f64 - 0.5].map(|centre| centre * self.scale + self.offset);
        ends[0].min(ends[1]) < self.length as f64 && ends[0].max(ends[1]) > 0.0
    }
}

impl Tap {
    fn ends(&self) -> (usize, usize) {
        (self.first.min(self.second), self.first.max(self.second))
    }
}

/// The first pixel that is needed, and how many.
fn reach(taps: &[Tap]) -> (usize, usize) {
    let first = taps.iter().map(|tap| tap.ends().0).min().unwrap_or(0);
    let last = taps.iter().map(|tap| tap.ends().1).max().unwrap_or(0);
    (first, last - first + 1)
}

/// The taps in pieces that each reach over no more than `most` pixels, or are one tap.
fn pieces(taps: &[Tap], most: usize) -> impl Iterator<Item = &[Tap]> {
    let mut left = taps;
    std::iter::from_fn(move || {
        let (mut first, mut last) = (usize::MAX, 0);
        let fits = |tap: &&Tap| {
            (first, last) = (first.min(tap.ends().0), last.max(tap.ends().1));
            last - first < most
        };
        let count = left.iter().take_while(fits).count().max(1).min(left.len());
        let (piece, rest) = left.split_at(count);
        left = rest;
        (!piece.is_empty()).then_some(piece)
    })
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::GeoTags;

    fn place(transform: [f64; 6]) -> GeoReference {
        let keys = vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633];
        GeoReference { transform, keys, doubles: Vec::new(), ascii: String::new() }
    }

    #[test]
    fn pieces_hold_what_the_whole_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fine.tif");
        let (width, height) = (90, 70);
        let bytes: Vec<u8> = (0..3 * width * height).map(|index| (index * index / 7 % 251) as u8).collect();
        let words = bytes.iter().map(|&byte| u16::from(byte) * 200).collect();
        let floats = bytes.iter().map(|&byte| f32::from(byte) * 0.3).collect();
        for pixels in [Pixels::U8(bytes), Pixels::U16(words), Pixels::F32(floats)] {
            let raster = Raster { width, height, bands: 3, pixels };
            let own = place([1000.0, 1.0, 0.0, 2000.0, 0.0, -1.0]);
            let tags = GeoTags { georeference: Some(own), nodata: Some(9.0), metadata: None };
            raster.write_geotiff(File::create(&path).unwrap(), &tags).unwrap();
            for size in [0.3, 1.0, 2.5, 11.0] {
                for resampling in [Resampling::Nearest, Resampling::Bilinear] {
                    for onto in [[995.3, size, 0.0, 2003.7, 0.0, -size], [995.3, size, 0.0, 1927.7, 0.0, size]] {
                        let file = RasterFile::open(&path).unwrap();
                        let mut file = AlignedFile::new(file, &place(onto), (30, 40), resampling).unwrap();
                        let whole = file.in_pieces(0, 0, 30, 40, usize::MAX).unwrap();
                        for most in [0, 500, 3000] {
                            let found = file.in_pieces(0, 0, 30, 40, most).unwrap();
                            assert!(found == whole, "{size}, {resampling}, {most}");
                        }
                        assert!(file.window(0, 0, 30, 40).unwrap() == whole);
                    }
                }
            }
        }
    }

    #[test]
    fn a_coarse_grid_reads_no_more_than_it_needs() {
        for scale in [0.2, 1.0, 37.5, 400.0, -400.0] {
            let axis = Axis { scale, offset: if scale < 0.0 { 399_990.0 } else { 0.0 }, length: 400_000 };
            for resampling in [Resampling::Nearest, Resampling::Bilinear] {
                let taps: Vec<Tap> = (0..1000).map(|index| axis.tap(index, resampling)).collect();
                for most in [0, 1, 2, 64, 1000] {
                    let found: Vec<&[Tap]> = pieces(&taps, most).collect();
                    assert_eq!(found.iter().map(|piece| piece.len()).sum::<usize>(), 1000);
                    assert!(found.iter().all(|piece| !piece.is_empty() && reach(piece).1 <= most.max(2)));
                    let read: usize = found.iter().map(|piece| reach(piece).1).sum();
                    assert!(scale.abs() < 399.0 || most == 1000 || read <= 2 * 1000, "{scale}, {most}: {read}");
                }
            }
        }
        assert_eq!(pieces(&[], 4).count(), 0);
    }
}
