//! `data preview`: a contact sheet of scenes with their labels.

use anyhow::Context;
use burn_rsmamba_datasets::{DatasetError, Purpose, Scene, SceneOrigin, seed};
use image::imageops::{replace, thumbnail};
use image::{ImageFormat, Rgb, RgbImage};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::place::place;
use super::source::parts;
use crate::cli::PreviewArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::pictures::quicklook;
use crate::progress::Progress;

/// Pixels between two pictures.
const GAP: u32 = 4;
/// Pixels of the largest sheet: 805 MB in memory.
const LARGEST_SHEET: u64 = 1 << 28;

/// What was drawn.
#[derive(Debug, Serialize)]
struct Drawn<'a> {
    sheet: &'a std::path::Path,
    /// The scenes, row by row.
    scenes: Vec<String>,
}

/// Draws scenes in random order, each as its images and the first image under the label.
pub(super) fn run(args: &PreviewArgs, progress: &mut Progress) -> Outcome {
    if args.out.exists() {
        return Err(Failure::usage(format!("{} is there; remove it or choose another --out", args.out.display())));
    }
    let parts = parts(&args.source, progress)?;
    let wanted = |split: Option<_>| args.split.is_none() || split.is_none() || split == args.split;
    let mut scenes: Vec<_> =
        parts.into_iter().filter(|part| wanted(part.split)).flat_map(|part| part.set.scenes).collect();
    scenes.shuffle(&mut ChaCha8Rng::seed_from_u64(seed(args.draw.seed, Purpose::Order, 0, 0)));
    scenes.truncate(args.count);
    if scenes.is_empty() {
        return Err(Failure::run("there is no scene to draw; choose another --split"));
    }
    let layout = Layout::new(scenes.len(), scenes.iter().map(panel_count).max().unwrap_or(1), args.side);
    if layout.area() > LARGEST_SHEET {
        return Err(Failure::usage(format!(
            "a sheet of {} scenes would have {} million pixels, more than {}; choose a smaller --count or --side",
            scenes.len(),
            layout.area() / 1_000_000,
            LARGEST_SHEET / 1_000_000
        )));
    }
    progress.start("drawing", scenes.len());
    let mut rows = Vec::new();
    for scene in &scenes {
        rows.push(panels(scene, args.side)?);
        progress.advance(scene.name.as_str());
    }
    progress.finish();
    let sheet = sheet(&rows, &layout);
    place(&args.out, |aside| {
        sheet.save_with_format(aside, ImageFormat::Png).with_context(|| format!("cannot write {}", args.out.display()))
    })?;
    print_json(&Drawn { sheet: &args.out, scenes: scenes.into_iter().map(|scene| scene.name).collect() })?;
    Ok(())
}

/// The pictures of a scene of any size, none larger than `side`.
fn panels(scene: &Scene, side: u32) -> Result<Vec<RgbImage>, DatasetError> {
    let small = |picture: &RgbImage| {
        let (width, height) = picture.dimensions();
        let scale = f64::from(side) / f64::from(width.max(height));
        let fit = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
        if scale < 1.0 { thumbnail(picture, fit(width), fit(height)) } else { picture.clone() }
    };
    // Cells have whole pixels: twice too many leave enough for a picture of just this side.
    let (images, label) = quicklook::scene(&mut scene.reader()?, 2 * side as usize)?;
    let mut panels: Vec<RgbImage> = images.iter().map(small).collect();
    panels.extend(label.zip(images.into_iter().last()).map(|(label, image)| small(&label.over(image))));
    Ok(panels)
}

/// How many pictures a scene has: its images, and its label.
fn panel_count(scene: &Scene) -> usize {
    match &scene.source {
        SceneOrigin::Files { images, label, .. } => images.len() + usize::from(label.is_some()),
        SceneOrigin::Memory { images, .. } => images.len() + 1,
    }
}

/// The scenes in columns, so that the sheet is about as wide as it is high. Lengths are in pixels, and wide enough for any flags.
struct Layout {
    columns: u64,
    rows: u64,
    /// From a picture to the next of its scene.
    pitch: u64,
    cell_width: u64,
}

impl Layout {
    fn new(scenes: usize, panels: usize, side: u32) -> Self {
        let (scenes, pitch) = (scenes as u64, u64::from(side + GAP));
        let cell_width = (panels as u64).saturating_mul(pitch) + u64::from(GAP);
        let columns = (1..=scenes)
            .min_by_key(|&columns| (columns * cell_width).abs_diff(scenes.div_ceil(columns) * pitch))
            .unwrap_or(1);
        Self { columns, rows: scenes.div_ceil(columns), pitch, cell_width }
    }

    fn width(&self) -> u64 {
        self.columns * self.cell_width
    }

    fn height(&self) -> u64 {
        self.rows * self.pitch + u64::from(GAP)
    }

    fn area(&self) -> u64 {
        self.width().saturating_mul(self.height())
    }
}

/// The sheet of at most [`LARGEST_SHEET`] pixels.
fn sheet(scenes: &[Vec<RgbImage>], layout: &Layout) -> RgbImage {
    let mut sheet = RgbImage::from_pixel(layout.width() as u32, layout.height() as u32, Rgb([128; 3]));
    for (index, panels) in (0..).zip(scenes) {
        let left = index % layout.columns * layout.cell_width + u64::from(GAP);
        let top = index / layout.columns * layout.pitch + u64::from(GAP);
        for (number, panel) in (0..).zip(panels) {
            replace(&mut sheet, panel, (left + number * layout.pitch) as i64, top as i64);
        }
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_on_the_sheet_once() {
        let picture = |value: u8| RgbImage::from_pixel(8, 6, Rgb([value; 3]));
        for count in 1..20_u8 {
            let scenes: Vec<Vec<RgbImage>> = (0..count).map(|n| vec![picture(2 * n), picture(2 * n + 1)]).collect();
            let sheet = sheet(&scenes, &Layout::new(scenes.len(), 2, 8));
            for value in 0..2 * count {
                let found = sheet.pixels().filter(|pixel| pixel.0 == [value; 3]).count();
                assert_eq!(found, 48, "{value} of {count}");
            }
        }
    }

    #[test]
    fn a_sheet_beyond_all_use_is_known_before_it_is_made() {
        // With 32 bits it would have wrapped around.
        assert!(Layout::new(7000, 3, 2048).area() > LARGEST_SHEET);
        assert!(Layout::new(1000, 2, 192).area() < LARGEST_SHEET);
    }
}
