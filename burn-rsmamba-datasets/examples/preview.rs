//! Draws the demo's test scenes as pictures and prints what thresholds score on them.
//!
//! `cargo run --release -p burn-rsmamba-datasets --example preview -- FOLDER [SEED]`
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use burn_rsmamba_datasets::{CropOptions, Crops, Dates, LoadedScene, Pixels, Split, baselines, demo};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("give the folder to write to")?);
    let seed = arguments.next().map_or(Ok(42), |seed| seed.parse())?;
    let options = demo::DemoOptions { seed, ..Default::default() };
    std::fs::create_dir_all(&folder)?;
    for dates in [Dates::One, Dates::Two] {
        let start = Instant::now();
        for split in Split::ALL {
            demo::scenes(dates, split, &options);
        }
        println!("{dates}: drawn in {:.2} s", start.elapsed().as_secs_f64());
        let set = demo::scenes(dates, Split::Test, &options);
        let crops = Crops::new(&set, CropOptions { size: options.size, ..Default::default() })?;
        for baseline in baselines::measure(&crops)? {
            println!("  {:40} F1 {:.3}", baseline.name, baseline.f1);
        }
        for index in 0..crops.scene_count() {
            let scene = crops.scene(index)?;
            side_by_side(&scene).save(folder.join(format!("{}_{}.png", dates.count(), scene.name)))?;
        }
    }
    Ok(())
}

fn side_by_side(scene: &LoadedScene) -> image::RgbImage {
    let mut panels: Vec<Vec<u8>> = Vec::new();
    for raster in &scene.images {
        if let Pixels::U8(values) = &raster.pixels {
            panels.push(values.clone());
        }
    }
    if let Some(label) = &scene.label {
        panels.push(label.data.iter().flat_map(|&value| [value * 255; 3]).collect());
    }
    let (width, height) = (scene.images[0].width as u32, scene.images[0].height as u32);
    image::RgbImage::from_fn(width * panels.len() as u32, height, |x, y| {
        let (panel, x) = ((x / width) as usize, x % width);
        let start = ((y * width + x) * 3) as usize;
        let mut pixel = [0; 3];
        pixel.copy_from_slice(&panels[panel][start..start + 3]);
        image::Rgb(pixel)
    })
}
