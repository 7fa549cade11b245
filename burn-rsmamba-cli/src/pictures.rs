//! Pictures for people: masks, overlays, and predictions beside the truth.

pub(crate) mod quicklook;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use image::{GrayImage, ImageFormat, Rgb, RgbImage};

use quicklook::{ReducedMask, rgb};

use crate::training::evaluate::ScoredScene;

/// Rightly marked, wrongly marked, wrongly left out, rightly left out; what does not count.
const HIT: Rgb<u8> = Rgb([255, 255, 255]);
const FALSE_ALARM: Rgb<u8> = Rgb([230, 50, 50]);
const MISS: Rgb<u8> = Rgb([60, 110, 255]);
const REST: Rgb<u8> = Rgb([0, 0, 0]);
const UNCOUNTED: Rgb<u8> = Rgb([70, 70, 70]);
/// The longest side of a quick look.
const QUICK_LOOK: usize = 2048;
/// Pixels between two pictures.
const GAP: u32 = 8;

/// Writes what the model made of a scene: the image of each date, the label, the prediction.
///
/// In the prediction white is right, red is marked without reason, blue is missed, grey does not count.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_comparison(path: &Path, scored: &ScoredScene<'_>) -> anyhow::Result<()> {
    let scene = scored.scene;
    let mut panels: Vec<RgbImage> = scene.images.iter().map(|raster| rgb(raster)).collect();
    let (width, height) = panels[0].dimensions();
    let truth = truth(scored);
    let at = |x: u32, y: u32| y as usize * width as usize + x as usize;
    panels.push(RgbImage::from_fn(width, height, |x, y| if truth[at(x, y)] { HIT } else { REST }));
    panels.push(errors(scored));
    let count = panels.len() as u32;
    let mut sheet = RgbImage::from_pixel(count * width + (count - 1) * GAP, height, Rgb([128; 3]));
    for (index, panel) in (0..).zip(&panels) {
        image::imageops::replace(&mut sheet, panel, index * i64::from(width + GAP), 0);
    }
    save(path, |path| sheet.save_with_format(path, ImageFormat::Png))
}

/// Writes where the model is right and wrong about a scene, in the colours of [`write_comparison`].
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_errors(path: &Path, scored: &ScoredScene<'_>) -> anyhow::Result<()> {
    save(path, |path| errors(scored).save_with_format(path, ImageFormat::Png))
}

fn errors(scored: &ScoredScene<'_>) -> RgbImage {
    let truth = truth(scored);
    let image = &scored.scene.images[0];
    RgbImage::from_fn(image.width as u32, image.height as u32, |x, y| {
        let pixel = y as usize * image.width + x as usize;
        match (scored.counted[pixel], scored.marked[pixel], truth[pixel]) {
            (false, ..) => UNCOUNTED,
            (_, true, true) => HIT,
            (_, true, false) => FALSE_ALARM,
            (_, false, true) => MISS,
            (_, false, false) => REST,
        }
    })
}

/// Which pixels of a scene are target.
fn truth(scored: &ScoredScene<'_>) -> Vec<bool> {
    match &scored.scene.label {
        Some(label) => label.data.iter().map(|&value| value == 1).collect(),
        None => vec![false; scored.marked.len()],
    }
}

/// Writes a mask as a PNG, whatever the path's extension.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_mask(path: &Path, values: Vec<u8>, width: usize) -> anyhow::Result<()> {
    let height = values.len() / width;
    let mask = GrayImage::from_raw(width as u32, height as u32, values).context("a mask of whole rows")?;
    save(path, |path| mask.save_with_format(path, ImageFormat::Png))
}

/// Writes the image of a map with the mask over it, reduced to at most [`QUICK_LOOK`] pixels a side: of the latest of these images
/// that has the size of the mask.
///
/// # Errors
///
/// When a file cannot be read or written.
pub(crate) fn write_overlay(path: &Path, images: &[PathBuf], mask: &Path) -> anyhow::Result<()> {
    let picture = overlay(images, &quicklook::mask(mask, QUICK_LOOK)?, QUICK_LOOK)?;
    save(path, |path| picture.save_with_format(path, ImageFormat::Png))
}

/// The latest of these images that has the size of the mask, with the mask over it.
///
/// # Errors
///
/// When an image cannot be read.
pub(crate) fn overlay(images: &[PathBuf], mask: &ReducedMask, side: usize) -> anyhow::Result<RgbImage> {
    for path in images.iter().rev() {
        let image = quicklook::image(path, side)?;
        if mask.fits(&image) {
            return Ok(mask.over(image));
        }
    }
    bail!("none of the images has the size of the mask")
}

fn save<E: Into<anyhow::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> anyhow::Result<()> {
    write(path).map_err(Into::into).with_context(|| format!("cannot write {}", path.display()))
}
