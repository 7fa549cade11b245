//! Pictures for people: masks, overlays, and predictions beside the truth.

pub(crate) mod errors;
pub(crate) mod palette;
pub(crate) mod quicklook;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use burn_rsmamba_datasets::{Mask, Raster};
use image::{ImageFormat, Rgb, RgbImage};

use errors::{Agreement, ErrorMap};
use quicklook::ReducedMask;
pub(crate) use quicklook::rgb;

use crate::mask_file::Coding;
use crate::scoring::ScoredScene;
use crate::{aside, fault};

/// The longest side of a quick look.
pub(crate) const QUICK_LOOK: usize = 2048;
/// The longest side of a map of errors that `eval` writes.
const ERROR_MAP: usize = 16384;
/// Pixels between two pictures.
const GAP: u32 = 8;

/// Writes what the model made of a scene: the image of each date, the label, the prediction.
///
/// In the prediction white is right, red is marked without reason, blue is missed, orange is of another class, grey does not count.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_comparison(path: &Path, images: &[Arc<Raster>], scored: &ScoredScene<'_>) -> anyhow::Result<()> {
    let mut panels: Vec<RgbImage> = images.iter().map(|raster| rgb(raster)).collect();
    let (width, height) = panels[0].dimensions();
    let colour = |class: u8| match (class, scored.coding) {
        (Mask::IGNORED, _) => Agreement::Uncounted.colour(),
        (1, Coding::Mask) => Agreement::Hit.colour(),
        (class, _) => palette::colour(class),
    };
    let class = |x: u32, y: u32| scored.truth[y as usize * scored.width + x as usize];
    panels.push(RgbImage::from_fn(width, height, |x, y| Rgb(colour(class(x, y)))));
    panels.push(error_map(scored));
    let count = panels.len() as u32;
    let mut sheet = RgbImage::from_pixel(count * width + (count - 1) * GAP, height, Rgb([128; 3]));
    for (index, panel) in (0..).zip(&panels) {
        image::imageops::replace(&mut sheet, panel, index * i64::from(width + GAP), 0);
    }
    write_picture(path, &sheet)
}

/// Writes where the prediction of a scene is right and wrong, in the colours of [`write_comparison`].
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_errors(path: &Path, scored: &ScoredScene<'_>) -> anyhow::Result<()> {
    write_picture(path, &error_map(scored))
}

/// The errors of a scene, reduced to at most [`ERROR_MAP`] pixels a side.
fn error_map(scored: &ScoredScene<'_>) -> RgbImage {
    let mut map = ErrorMap::new(scored.width, scored.height, ERROR_MAP);
    for row in 0..scored.height {
        let pixels = row * scored.width..(row + 1) * scored.width;
        map.push(pixels.map(|at| Agreement::of(scored.counted[at], scored.found[at], scored.truth[at])));
    }
    map.finish()
}

/// Writes a mask of this many columns and rows as a PNG, as its rows come; ends early where they end early.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_mask(
    path: &Path,
    (width, height): (usize, usize),
    rows: impl Iterator<Item = Vec<u8>>,
) -> anyhow::Result<()> {
    save(path, |path| -> anyhow::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut encoder = png::Encoder::new(&mut file, u32::try_from(width)?, u32::try_from(height)?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        let (mut stream, mut written) = (writer.stream_writer()?, 0);
        for row in rows {
            stream.write_all(&row)?;
            written += row.len();
        }
        if written == width * height {
            stream.finish()?;
            // What is only dropped is written too, but a full disk would not be told.
            writer.finish()?;
            file.flush()?;
        }
        Ok(())
    })
}

/// Writes an image with a mask of its size over it, reduced to at most [`QUICK_LOOK`] pixels a side.
///
/// # Errors
///
/// When a file cannot be read or written.
pub(crate) fn write_overlay(path: &Path, image: &Path, mask: &Path, coding: Coding) -> anyhow::Result<()> {
    let picture = overlay(image, &quicklook::mask(mask, coding, QUICK_LOOK)?, QUICK_LOOK)?;
    write_picture(path, &picture)
}

/// An image with a mask of its size over it, which was reduced to the same side.
///
/// # Errors
///
/// When the image cannot be read.
pub(crate) fn overlay(image: &Path, mask: &ReducedMask, side: usize) -> anyhow::Result<RgbImage> {
    Ok(mask.over(quicklook::image(image, side)?))
}

/// Writes a picture as a PNG, whatever the path's extension; it is there when it is complete.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_picture(path: &Path, picture: &RgbImage) -> anyhow::Result<()> {
    aside::write_with(path, |aside| {
        save(aside, |aside| picture.save_with_format(aside, ImageFormat::Png))?;
        fault::point();
        Ok(())
    })
}

fn save<E: Into<anyhow::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> anyhow::Result<()> {
    write(path).map_err(Into::into).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::Counts;

    #[test]
    fn every_kind_of_pixel_has_its_colour() {
        let (truth, found) = ([1, 0, 1, 0, 0, 1], [1, 1, 0, 0, 1, 2]);
        let counted = [true, true, true, true, false, true];
        let (truth, found, counted, counts) = (&truth, &found, &counted, &Counts::new(2));
        let (width, height, coding) = (6, 1, Coding::Classes);
        let scored = ScoredScene { index: 0, name: "s", width, height, coding, truth, found, counted, counts };
        let colours: Vec<[u8; 3]> = error_map(&scored).pixels().map(|pixel| pixel.0).collect();
        let kinds = [
            Agreement::Hit,
            Agreement::FalseAlarm,
            Agreement::Miss,
            Agreement::Rest,
            Agreement::Uncounted,
            Agreement::Confused,
        ];
        assert_eq!(colours, kinds.map(Agreement::colour));
    }
}
