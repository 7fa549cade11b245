//! Maps a GeoTIFF of any size, or two dates of one: probabilities as a GeoTIFF in the same place, in bounded memory; no data stays
//! no data.
//!
//! ```sh
//! cargo run --release -p burn-rsmamba --example map_scene -- MODEL PROBABILITIES.tif SCENE.tif [SECOND.tif]
//! ```

#![expect(clippy::print_stdout, reason = "it says how fast it was")]

use burn::tensor::Device;
use burn_rsmamba::inference::{Area, Patch, Predictor, SceneSize, SceneSource, Step};
use burn_rsmamba::weights;
use burn_rsmamba_datasets::{CoregisteredFiles, GeoTiff};
use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

/// Files as a source of pixels: only the blocks that a window touches are decoded.
struct Scene(CoregisteredFiles);

impl SceneSource for Scene {
    type Error = Failure;

    fn size(&self) -> SceneSize {
        SceneSize { bands: self.0.bands(), height: self.0.height(), width: self.0.width() }
    }

    fn read(&mut self, date: usize, area: Area) -> Result<Patch, Failure> {
        let (raster, nodata) = self.0.window(date, area.top, area.left, area.height, area.width)?;
        Ok(Patch { values: raster.to_chw_f32(), nodata })
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, out, images @ ..] = &arguments[..] else { return Err("give a model, an output and a scene".into()) };

    let device = Device::flex();
    let (model, meta) = weights::load(model, &device)?;
    if model.classes() > 1 || meta.downsample.get() > 1 {
        return Err("this example is for weights of one class, trained on images as they are".into());
    }
    let predictor = Predictor::new(&model, &meta, &device);
    if images.len() != model.task().dates() {
        return Err(format!("a model of task {} takes {} image(s)", model.task(), model.task().dates()).into());
    }
    let scene = Scene(CoregisteredFiles::open(images, None)?);
    let SceneSize { height, width, .. } = scene.size();
    let geotiff = GeoTiff { width, height, georeference: scene.0.georeference().cloned(), nodata: Some("nan".into()) };
    println!(
        "{height}x{width} pixels, {}, {} MB beside the model",
        predictor.windows,
        predictor.bytes(scene.size()) / 1_000_000
    );

    let started = Instant::now();
    let (send, receive) = sync_channel::<Vec<f32>>(2);
    std::thread::scope(|scope| -> Result<(), Failure> {
        let writer = scope.spawn(|| write(&geotiff, out, receive));
        let mapped = predictor.map(scene, move |step| match step {
            Step::Window { .. } => Ok(()),
            Step::Rows { values, nodata, .. } => {
                let pixels = values.iter().zip(nodata).map(|(&value, &nodata)| if nodata { f32::NAN } else { value });
                send.send(pixels.collect()).map_err(|_| "the output cannot be written".into())
            }
        });
        // A writer that failed knows better why.
        writer.join().map_err(|_| "the writer panicked")?.and(mapped)
    })?;
    println!("{:.0} pixels a second", (height * width) as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

/// Writes rows as they come.
fn write(geotiff: &GeoTiff, out: &PathBuf, rows: Receiver<Vec<f32>>) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    geotiff.write(BufWriter::new(File::create(out)?), |_top, count| {
        while waiting.len() < count * geotiff.width {
            waiting.extend(rows.recv()?);
        }
        Ok(waiting.drain(..count * geotiff.width).collect())
    })
}
