//! Pictures of scenes of any size: each cell is the mean of a square of pixels, read row by row.

use std::path::Path;

use burn_rsmamba_datasets::{DatasetError, Pixels, Raster, RasterFile};
use image::{Rgb, RgbImage};

use crate::mask_file::{BACKGROUND, MARKED};

/// The colour a mask has over an image.
const MARK: [f32; 3] = [255.0, 40.0, 40.0];

/// A mask, reduced.
#[derive(Debug)]
pub(crate) struct ReducedMask {
    /// Columns of the file.
    pub(crate) width: usize,
    /// Rows of the file.
    pub(crate) height: usize,
    /// The share of each cell that is marked.
    shares: Vec<f32>,
    /// Pixels that are marked.
    pub(crate) marked: u64,
    /// Pixels with data.
    pub(crate) mapped: u64,
}

/// Reads an image, reduced to at most `side` pixels a side.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn image(path: &Path, side: usize) -> Result<RgbImage, DatasetError> {
    let mut file = RasterFile::open(path)?;
    let (step, nodata) = (step(&file, side), file.nodata());
    let (mut values, mut bytes) = (Vec::new(), true);
    for top in (0..file.height()).step_by(step) {
        let rows = file.window(top, 0, step.min(file.height() - top), file.width())?;
        bytes &= matches!(rows.pixels, Pixels::U8(_));
        values.extend(means(&rows, step, nodata));
    }
    Ok(stretched(&values, shown(file.bands()), file.width().div_ceil(step), bytes))
}

/// Reads a mask that `predict` wrote, reduced to at most `side` pixels a side.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn mask(path: &Path, side: usize) -> Result<ReducedMask, DatasetError> {
    let mut file = RasterFile::open(path)?;
    let step = step(&file, side);
    let (width, height) = (file.width(), file.height());
    let columns = width.div_ceil(step);
    let mut mask = ReducedMask { width, height, shares: Vec::new(), marked: 0, mapped: 0 };
    for top in (0..file.height()).step_by(step) {
        let rows = file.window(top, 0, step.min(file.height() - top), file.width())?;
        let Pixels::U8(values) = &rows.pixels else { continue };
        let mut counts = vec![0_u32; columns];
        for line in values.chunks_exact(rows.width) {
            for (count, cell) in counts.iter_mut().zip(line.chunks(step)) {
                *count += cell.iter().map(|&value| u32::from(value == MARKED)).sum::<u32>();
            }
        }
        mask.marked += counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        mask.mapped += values.iter().filter(|&&value| value == MARKED || value == BACKGROUND).count() as u64;
        let area = |column: usize| (step.min(rows.width - column * step) * rows.height) as f32;
        mask.shares.extend((0..columns).map(|column| counts[column] as f32 / area(column)));
    }
    Ok(mask)
}

impl ReducedMask {
    /// A mask in memory, not reduced.
    pub(super) fn whole(width: usize, marked: &[bool]) -> Self {
        let shares = marked.iter().map(|&marked| f32::from(u8::from(marked))).collect();
        let (all, count) = (marked.len(), marked.iter().filter(|&&marked| marked).count());
        Self { width, height: all / width, shares, marked: count as u64, mapped: all as u64 }
    }

    /// An image of the same reduced size with the mask over it.
    pub(crate) fn over(&self, mut image: RgbImage) -> RgbImage {
        for (pixel, share) in image.pixels_mut().zip(&self.shares) {
            // What is thinner than a cell stays visible.
            let opacity = 0.5 * share.sqrt();
            for (value, mark) in pixel.0.iter_mut().zip(MARK) {
                *value = (f32::from(*value) + (mark - f32::from(*value)) * opacity) as u8;
            }
        }
        image
    }
}

/// An image in memory as people look at it.
pub(crate) fn rgb(raster: &Raster) -> RgbImage {
    let bytes = matches!(raster.pixels, Pixels::U8(_));
    stretched(&means(raster, 1, None), shown(raster.bands), raster.width, bytes)
}

fn step(file: &RasterFile, side: usize) -> usize {
    file.width().max(file.height()).div_ceil(side)
}

/// Bands that are looked at: the first three, or one as grey.
fn shown(bands: usize) -> usize {
    if bands >= 3 { 3 } else { 1 }
}

/// One row of cells of `step` pixels a side, interleaved; not a number where nothing has data.
fn means(rows: &Raster, step: usize, nodata: Option<f64>) -> Vec<f32> {
    let bands = shown(rows.bands);
    let row_cells = rows.width.div_ceil(step) * bands;
    let mut sums = vec![(0.0_f32, 0_u32); rows.height.div_ceil(step) * row_cells];
    let planes = rows.to_chw_f32();
    for row in 0..rows.height {
        for column in 0..rows.width {
            if nodata.is_some_and(|value| rows.is_nodata(row, column, value)) {
                continue;
            }
            for band in 0..bands {
                let value = planes[(band * rows.height + row) * rows.width + column];
                let (sum, count) = &mut sums[row / step * row_cells + column / step * bands + band];
                if value.is_finite() {
                    *sum += value;
                    *count += 1;
                }
            }
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count as f32).collect()
}

/// A picture of interleaved values; other than 8-bit values are stretched to their range.
fn stretched(values: &[f32], bands: usize, width: usize, bytes: bool) -> RgbImage {
    let (low, high) = if bytes {
        (0.0, 1.0)
    } else {
        let finite = values.iter().filter(|value| value.is_finite());
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
    };
    let scale = 255.0 / (high - low).max(f32::MIN_POSITIVE);
    let height = values.len() / bands / width;
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let cell = &values[(y as usize * width + x as usize) * bands..][..bands];
        // A cast turns what is not a number into 0.
        let value = |band: usize| ((cell[band.min(bands - 1)] - low) * scale).round() as u8;
        Rgb([value(0), value(1), value(2)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_band_becomes_grey_and_wide_values_are_stretched() {
        let raster = Raster { width: 2, height: 1, bands: 1, pixels: Pixels::U16(vec![1000, 3000]) };
        let picture = rgb(&raster);
        assert_eq!(picture.get_pixel(0, 0).0, [0; 3]);
        assert_eq!(picture.get_pixel(1, 0).0, [255; 3]);
    }

    #[test]
    fn bytes_stay_as_they_are() {
        let raster = Raster { width: 1, height: 1, bands: 3, pixels: Pixels::U8(vec![7, 128, 250]) };
        assert_eq!(rgb(&raster).get_pixel(0, 0).0, [7, 128, 250]);
    }

    #[test]
    fn cells_are_means_of_what_has_data() {
        let raster =
            Raster { width: 3, height: 2, bands: 1, pixels: Pixels::F32(vec![1.0, 3.0, 9.0, -1.0, 5.0, f32::NAN]) };
        assert_eq!(means(&raster, 2, Some(-1.0)), [3.0, 9.0]);
        assert!(means(&raster, 1, None)[5].is_nan());
    }
}
