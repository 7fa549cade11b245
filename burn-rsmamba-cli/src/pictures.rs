//! Pictures for people: masks, overlays, and predictions beside the truth.

use std::path::Path;

use anyhow::Context;
use burn_rsmamba_datasets::{Pixels, Raster};
use image::{GrayImage, Rgb, RgbImage};

use crate::training::evaluate::ScoredScene;

/// Rightly marked, wrongly marked, wrongly left out, rightly left out; what does not count.
const HIT: Rgb<u8> = Rgb([255, 255, 255]);
const FALSE_ALARM: Rgb<u8> = Rgb([230, 50, 50]);
const MISS: Rgb<u8> = Rgb([60, 110, 255]);
const REST: Rgb<u8> = Rgb([0, 0, 0]);
const UNCOUNTED: Rgb<u8> = Rgb([70, 70, 70]);
/// The colour a mask has over an image.
const MARK: [u8; 3] = [255, 40, 40];
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
    panels.push(by_pixel(scored, |pixel| if is_truth(scored, pixel) { HIT } else { REST }));
    panels.push(errors(scored));
    let count = panels.len() as u32;
    let mut sheet = RgbImage::from_pixel(count * width + (count - 1) * GAP, height, Rgb([128; 3]));
    for (index, panel) in (0..).zip(&panels) {
        image::imageops::replace(&mut sheet, panel, index * i64::from(width + GAP), 0);
    }
    save(path, |path| sheet.save_with_format(path, image::ImageFormat::Png))
}

/// Writes where the prediction of a scene is right and wrong, in the colours of [`write_comparison`].
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_errors(path: &Path, scored: &ScoredScene<'_>) -> anyhow::Result<()> {
    save(path, |path| errors(scored).save_with_format(path, image::ImageFormat::Png))
}

fn errors(scored: &ScoredScene<'_>) -> RgbImage {
    by_pixel(scored, |pixel| match (scored.counted[pixel], scored.marked[pixel], is_truth(scored, pixel)) {
        (false, ..) => UNCOUNTED,
        (_, true, true) => HIT,
        (_, true, false) => FALSE_ALARM,
        (_, false, true) => MISS,
        (_, false, false) => REST,
    })
}

/// A picture of a scene's size, from the colour of each pixel by its index.
fn by_pixel(scored: &ScoredScene<'_>, colour: impl Fn(usize) -> Rgb<u8>) -> RgbImage {
    let Raster { width, height, .. } = *scored.scene.images[0];
    RgbImage::from_fn(width as u32, height as u32, |x, y| colour(y as usize * width + x as usize))
}

fn is_truth(scored: &ScoredScene<'_>, pixel: usize) -> bool {
    scored.scene.label.as_ref().is_some_and(|label| label.data[pixel] == 1)
}

/// Writes a mask as a PNG, whatever the path's extension.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_mask(path: &Path, values: Vec<u8>, width: usize) -> anyhow::Result<()> {
    let height = values.len() / width;
    let mask = GrayImage::from_raw(width as u32, height as u32, values).context("a mask of whole rows")?;
    save(path, |path| mask.save_with_format(path, image::ImageFormat::Png))
}

/// Writes an image with the mask over it.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_overlay(path: &Path, raster: &Raster, marked: &[bool]) -> anyhow::Result<()> {
    let mut picture = rgb(raster);
    for (pixel, _) in picture.pixels_mut().zip(marked).filter(|&(_, &marked)| marked) {
        for (value, mark) in pixel.0.iter_mut().zip(MARK) {
            *value = u8::midpoint(*value, mark);
        }
    }
    save(path, |path| picture.save_with_format(path, image::ImageFormat::Png))
}

fn save<E: Into<anyhow::Error>>(path: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> anyhow::Result<()> {
    write(path).map_err(Into::into).with_context(|| format!("cannot write {}", path.display()))
}

/// An image as people look at it: the first three bands, or one as grey; other than 8-bit values are stretched to
/// their range.
fn rgb(raster: &Raster) -> RgbImage {
    let planes = raster.to_chw_f32();
    let area = raster.width * raster.height;
    let (low, high) = match raster.pixels {
        Pixels::U8(_) => (0.0, 1.0),
        _ => planes
            .iter()
            .filter(|value| value.is_finite())
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value))),
    };
    let scale = 255.0 / (high - low).max(f32::MIN_POSITIVE);
    let band = |index: usize| if raster.bands >= 3 { index } else { 0 };
    RgbImage::from_fn(raster.width as u32, raster.height as u32, |x, y| {
        let pixel = y as usize * raster.width + x as usize;
        // A cast turns what is not a number into 0.
        Rgb([0, 1, 2].map(|index| ((planes[band(index) * area + pixel] - low) * scale).round() as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_rsmamba::metrics::Confusion;
    use burn_rsmamba_datasets::{LoadedScene, Mask};
    use std::sync::Arc;

    #[test]
    fn every_kind_of_pixel_has_its_colour() {
        let raster = Raster { width: 5, height: 1, bands: 1, pixels: Pixels::U8(vec![0; 5]) };
        let label = Mask { width: 5, height: 1, data: vec![1, 0, 1, 0, Mask::IGNORED] };
        let scene = LoadedScene { name: "s".into(), images: vec![Arc::new(raster)], label: Some(Arc::new(label)) };
        let (marked, counted) = ([true, true, false, false, true], [true, true, true, true, false]);
        let counts = Confusion { tp: 1, fp: 1, fn_: 1, tn: 1 };
        let picture = errors(&ScoredScene { scene: &scene, marked: &marked, counted: &counted, counts });
        let colours: Vec<Rgb<u8>> = picture.pixels().copied().collect();
        assert_eq!(colours, [HIT, FALSE_ALARM, MISS, REST, UNCOUNTED]);
    }

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
}
