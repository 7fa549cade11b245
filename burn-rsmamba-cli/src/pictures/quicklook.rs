//! Pictures of scenes of any size: each cell is the mean of a square of pixels, read row by row.

use std::path::Path;

use burn_rsmamba_datasets::{DatasetError, Mask, Pixels, Raster, RasterFile, SceneReader};
use image::{Rgb, RgbImage};

use super::palette;
use crate::mask_file::Coding;

/// A mask, reduced.
#[derive(Debug)]
pub(crate) struct ReducedMask {
    /// Columns of the file.
    pub(crate) width: usize,
    /// Rows of the file.
    pub(crate) height: usize,
    cells: Vec<Cell>,
    /// Pixels of each class; none of class 0 is marked.
    pub(crate) classes: Vec<u64>,
}

/// A square of pixels of a mask.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// The share that is marked.
    share: f32,
    /// The mean colour of what is marked.
    colour: [f32; 3],
}

/// Reads an image, reduced to at most `side` pixels a side.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn image(path: &Path, side: usize) -> Result<RgbImage, DatasetError> {
    let mut file = RasterFile::open(path)?;
    let step = step(file.width(), file.height(), side);
    file.keep_rows(step);
    let mut image = ReducedImage::default();
    for top in (0..file.height()).step_by(step) {
        let width = file.width();
        let (rows, nodata) = file.window_and_nodata(top, 0, step.min(file.height() - top), width)?;
        image.push(&rows, step, |row, column| nodata[row * width + column]);
    }
    Ok(image.finish(file.width().div_ceil(step)))
}

/// Reads a mask that `predict` wrote, reduced to at most `side` pixels a side.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn mask(path: &Path, coding: Coding, side: usize) -> Result<ReducedMask, DatasetError> {
    let mut file = RasterFile::open(path)?;
    let (width, height) = (file.width(), file.height());
    let (step, mut mask) = (step(width, height, side), ReducedMask::new(width, height));
    file.keep_rows(step);
    for top in (0..height).step_by(step) {
        let rows = file.window(top, 0, step.min(height - top), width)?;
        let Pixels::U8(values) = &rows.pixels else { continue };
        mask.push(values, step, |value| coding.class(value));
    }
    Ok(mask)
}

/// Reads every image of a scene and its label, reduced to at most `side` pixels a side.
///
/// # Errors
///
/// When a file cannot be read, or the label is none of its rule.
pub(crate) fn scene(
    reader: &mut SceneReader,
    side: usize,
) -> Result<(Vec<RgbImage>, Option<ReducedMask>), DatasetError> {
    let (width, height) = (reader.width(), reader.height());
    let step = step(width, height, side);
    let mut images: Vec<ReducedImage> = (0..reader.dates()).map(|_| ReducedImage::default()).collect();
    let mut mask = None;
    for top in (0..height).step_by(step) {
        let rows = step.min(height - top);
        for (date, image) in images.iter_mut().enumerate() {
            let (pixels, blank) = reader.image(date, top, 0, rows, width)?;
            image.push(&pixels, step, |row, column| blank[row * width + column]);
        }
        if let Some(label) = reader.label(top, 0, rows, width)? {
            let class = |value| (value != Mask::IGNORED).then_some(value);
            mask.get_or_insert_with(|| ReducedMask::new(width, height)).push(&label.data, step, class);
        }
    }
    Ok((images.into_iter().map(|image| image.finish(width.div_ceil(step))).collect(), mask))
}

/// An image of which rows of cells come one after the other.
struct ReducedImage {
    /// Interleaved cells.
    values: Vec<f32>,
    bands: usize,
    bytes: bool,
}

impl Default for ReducedImage {
    fn default() -> Self {
        Self { values: Vec::new(), bands: 1, bytes: true }
    }
}

impl ReducedImage {
    fn push(&mut self, rows: &Raster, step: usize, without_data: impl Fn(usize, usize) -> bool) {
        self.bands = shown(rows.bands);
        self.bytes &= matches!(rows.pixels, Pixels::U8(_));
        self.values.extend(means(rows, step, without_data));
    }

    fn finish(self, columns: usize) -> RgbImage {
        stretched(&self.values, self.bands, columns, self.bytes)
    }
}

impl ReducedMask {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, cells: Vec::new(), classes: vec![0; 2] }
    }

    /// Takes the rows of one row of cells, given the class of what a pixel holds, if it has one.
    fn push(&mut self, rows: &[u8], step: usize, class: impl Fn(u8) -> Option<u8>) {
        let columns = self.width.div_ceil(step);
        let mut sums = vec![(0_u32, [0_u32; 3]); columns];
        for line in rows.chunks_exact(self.width) {
            for ((count, colour), cell) in sums.iter_mut().zip(line.chunks(step)) {
                for class in cell.iter().filter_map(|&value| class(value)) {
                    let index = usize::from(class);
                    if index >= self.classes.len() {
                        self.classes.resize(index + 1, 0);
                    }
                    self.classes[index] += 1;
                    if class > 0 {
                        *count += 1;
                        colour.iter_mut().zip(palette::colour(class)).for_each(|(sum, part)| *sum += u32::from(part));
                    }
                }
            }
        }
        let height = rows.len() / self.width;
        self.cells.extend(sums.into_iter().enumerate().map(|(column, (count, colour))| Cell {
            share: count as f32 / (step.min(self.width - column * step) * height) as f32,
            colour: colour.map(|sum| sum as f32 / count.max(1) as f32),
        }));
    }

    /// Pixels with data.
    pub(crate) fn mapped(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// Pixels that are marked.
    pub(crate) fn marked(&self) -> u64 {
        self.classes[1..].iter().sum()
    }

    /// An image of the same reduced size with the mask over it.
    pub(crate) fn over(&self, mut image: RgbImage) -> RgbImage {
        for (pixel, cell) in image.pixels_mut().zip(&self.cells) {
            // What is thinner than a cell stays visible.
            let opacity = 0.5 * cell.share.sqrt();
            for (value, mark) in pixel.0.iter_mut().zip(cell.colour) {
                *value = (f32::from(*value) + (mark - f32::from(*value)) * opacity) as u8;
            }
        }
        image
    }
}

/// An image in memory as people look at it.
pub(crate) fn rgb(raster: &Raster) -> RgbImage {
    let bytes = matches!(raster.pixels, Pixels::U8(_));
    stretched(&means(raster, 1, |_, _| false), shown(raster.bands), raster.width, bytes)
}

/// Pixels of a cell's side.
fn step(width: usize, height: usize, side: usize) -> usize {
    width.max(height).div_ceil(side)
}

/// Bands that are looked at: the first three, or one as grey.
fn shown(bands: usize) -> usize {
    if bands >= 3 { 3 } else { 1 }
}

/// One row of cells of `step` pixels a side, interleaved; not a number where nothing has data.
fn means(rows: &Raster, step: usize, without_data: impl Fn(usize, usize) -> bool) -> Vec<f32> {
    let bands = shown(rows.bands);
    let row_cells = rows.width.div_ceil(step) * bands;
    let mut sums = vec![(0.0_f32, 0_u32); rows.height.div_ceil(step) * row_cells];
    let planes = rows.to_chw_f32();
    for row in 0..rows.height {
        for column in 0..rows.width {
            if without_data(row, column) {
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
    use burn_rsmamba_datasets::{Scene, SceneOrigin};
    use std::sync::Arc;

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
        assert_eq!(means(&raster, 2, |row, column| (row, column) == (1, 0)), [3.0, 9.0]);
        assert!(means(&raster, 1, |_, _| false)[5].is_nan());
    }

    #[test]
    fn a_scene_is_reduced_with_its_label() {
        let bytes = (0..16).map(|index| if index % 4 < 2 { 10 } else { 50 }).collect();
        let image = Arc::new(Raster { width: 4, height: 4, bands: 1, pixels: Pixels::U8(bytes) });
        let mut data = vec![0; 16];
        (data[0], data[1], data[15]) = (1, 1, Mask::IGNORED);
        let label = Arc::new(Mask { width: 4, height: 4, data });
        let source = SceneOrigin::Memory { images: vec![image.clone(), image], label };
        let mut reader = Scene { name: "s".to_owned(), source }.reader().unwrap();
        let (images, label) = scene(&mut reader, 2).unwrap();
        for image in images {
            assert_eq!(image.pixels().map(|pixel| pixel.0[0]).collect::<Vec<_>>(), [10, 50, 10, 50]);
        }
        let label = label.unwrap();
        let shares: Vec<f32> = label.cells.iter().map(|cell| cell.share).collect();
        assert_eq!((shares, label.marked(), label.mapped()), (vec![0.5, 0.0, 0.0, 0.0], 2, 15));
        assert_eq!(label.cells[0].colour.map(|part| part as u8), palette::colour(1));
    }
}
