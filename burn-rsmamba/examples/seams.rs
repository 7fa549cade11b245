//! What cutting a scene into windows changes: a table of the share of pixels that fall on the other side of the threshold, and
//! of the largest difference of probabilities, against the whole scene in one piece.
//!
//! ```sh
//! cargo run --release -p burn-rsmamba --example seams -- MODEL WINDOW [IMAGE [IMAGE2]]
//! ```
//!
//! Without images a demo scene of 1024² pixels is drawn.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use burn::tensor::Device;
use burn_rsmamba::inference::{Blend, ImageView, Predictor, Windows};
use burn_rsmamba::{ModelMeta, Task, weights};
use burn_rsmamba_datasets::{Dates, Raster, Split, demo, read_raster};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Overlaps as parts of a window, in sixteenths.
const OVERLAPS: [usize; 6] = [0, 1, 2, 4, 6, 8];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let model = arguments.next().ok_or("name a model")?;
    let window: usize = arguments.next().and_then(|size| size.to_str()?.parse().ok()).ok_or("give a window")?;
    let images: Vec<PathBuf> = arguments.map(PathBuf::from).collect();

    let device = Device::flex();
    let (model, meta) = weights::load(Path::new(&model), &device)?;
    if model.classes() > 1 {
        return Err("this example is for weights of one class".into());
    }
    let planes = if images.is_empty() { demo_scene(meta.config.task) } else { read(&images)? };
    let views: Vec<ImageView<'_>> = planes
        .iter()
        .map(|(raster, data)| ImageView { bands: raster.bands, height: raster.height, width: raster.width, data })
        .collect();

    let predict = |windows| Predictor { windows, ..Predictor::new(&model, &meta, &device) }.predict(&views);
    let whole = predict(Windows::WHOLE)?;
    println!("{}x{} pixels, windows of {window}\n", views[0].height, views[0].width);
    println!("| overlap | none | linear | cosine |\n|---|---|---|---|");
    for sixteenths in OVERLAPS {
        let overlap = window * sixteenths / 16;
        let mut cells = Vec::new();
        for (blend, _) in Blend::ALL {
            let probabilities = predict(Windows { size: Some(window), overlap, blend })?;
            cells.push(compare(&whole, &probabilities, &meta));
        }
        println!("| {overlap} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// The share of pixels that changed sides, and the largest difference.
fn compare(whole: &[f32], windowed: &[f32], meta: &ModelMeta) -> String {
    let marked = |value: f32| value >= meta.threshold;
    let changed = whole.iter().zip(windowed).filter(|&(&a, &b)| marked(a) != marked(b)).count();
    let largest = whole.iter().zip(windowed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    format!("{:.3} %, {largest:.3}", 100.0 * changed as f64 / whole.len() as f64)
}

/// An image and its values as planes, one a date.
type Planes = Vec<(Raster, Vec<f32>)>;

fn demo_scene(task: Task) -> Planes {
    let dates = if task == Task::Cd { Dates::Two } else { Dates::One };
    let options = demo::DemoOptions { size: 1024, test: 1, ..Default::default() };
    let scene = demo::scenes(dates, Split::Test, &options).scenes.remove(0).load().expect("drawn scenes fit");
    scene.images.iter().map(|raster| (Raster::clone(raster), raster.to_chw_f32())).collect()
}

fn read(images: &[PathBuf]) -> Result<Planes, Box<dyn Error>> {
    let planes = |path: &PathBuf| {
        let raster = read_raster(path)?;
        let values = raster.to_chw_f32();
        Ok((raster, values))
    };
    images.iter().map(planes).collect()
}
