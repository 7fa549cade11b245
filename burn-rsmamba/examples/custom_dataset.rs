//! Data in a layout of its own, with a band that is computed: scenes are named one by one, and crops are changed on their way.
//!
//! `cargo run --release -p burn-rsmamba --example custom_dataset -- [FOLDER]`
//!
//! FOLDER has pairs `NAME.tif` and `NAME_mask.png`; without one, discs on a noisy ground are drawn in memory.
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, TensorData};
use burn::{Tensor, tensor::activation::sigmoid};
use burn_dataset::Dataset;
use burn_dataset::transform::{Mapper, MapperDataset};
use burn_rsmamba::{RsmSsConfig, losses::bce_dice};
use burn_rsmamba_datasets::{
    CropOptions, Crops, LabelRule, Mask, Pixels, Raster, Sample, Scene, SceneOrigin, SceneSet, Split, Statistics,
    list_images,
};

fn main() -> Result<(), Box<dyn Error>> {
    // 1. Scenes: which files belong together, or pixels that are in memory already.
    let scenes = match std::env::args().nth(1) {
        Some(folder) => pairs(Path::new(&folder))?,
        None => (0..4).map(discs).collect(),
    };
    let set = SceneSet { layout: "pairs", split: Split::Train, scenes, warnings: Vec::new() };

    // 2. Crops: cut, checked, shared out so that each pixel counts once.
    let crops = Crops::new(&set, CropOptions { size: 64, ..Default::default() })?;
    let measured = Statistics::of_crops(&crops)?;
    println!("{} crops of {} bands with means {:.2?}", crops.len(), crops.bands(), measured.mean);

    // 3. Any dataset of samples can be mapped: here each gets a fourth band.
    let bands = crops.bands() + 1;
    let data: MapperDataset<_, _, Sample> = MapperDataset::new(crops, WithGreenness);

    // 4. Samples as tensors, for a model that reads that many bands.
    let device = Device::flex();
    let mut config = RsmSsConfig::micro();
    config.encoder.bands = bands;
    let model = config.init_seeded(1, &device);
    let samples = (0..data.len().min(4)).map(|index| data.get(index)).collect::<Result<Vec<_>, _>>()?;
    let shape = |bands| [samples.len(), bands, samples[0].height, samples[0].width];
    let images = samples.iter().flat_map(|sample| sample.images[0].iter().copied()).collect::<Vec<f32>>();
    let labels =
        samples.iter().flat_map(|sample| sample.label.iter().map(|&value| f32::from(value))).collect::<Vec<f32>>();
    let logits = model.forward(Tensor::from_data(TensorData::new(images, shape(bands)), &device));
    let labels = Tensor::<4>::from_data(TensorData::new(labels, shape(1)), &device);
    println!("mean probability {:.3}", sigmoid(logits.clone()).mean().into_scalar::<f32>());
    println!("loss of a model that has learned nothing: {:.3}", bce_dice(logits, labels).total.into_scalar::<f32>());
    Ok(())
}

/// Every `NAME.tif` with its `NAME_mask.png`, of which pixels from 128 on are marked.
fn pairs(folder: &Path) -> Result<Vec<Scene>, Box<dyn Error>> {
    let images =
        list_images(folder)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "tif"));
    let scene = |image: std::path::PathBuf| {
        let name = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let label = Some(folder.join(format!("{name}_mask.png")));
        let rule = LabelRule::Threshold(128.0);
        Scene { name, source: SceneOrigin::Files { images: vec![image], label, rule, region: None } }
    };
    Ok(images.map(scene).collect())
}

/// A scene that is drawn: a green disc on a grey ground.
fn discs(index: usize) -> Scene {
    let (size, radius) = (128_usize, 20 + 8 * index);
    let inside = |pixel: usize| (pixel / size).abs_diff(64).pow(2) + (pixel % size).abs_diff(64).pow(2) < radius.pow(2);
    let grey = |pixel: usize| 90 + (pixel * 37 % 41) as u8;
    let colour = |pixel: usize| if inside(pixel) { [60, 140, 50] } else { [grey(pixel); 3] };
    let image =
        Raster { width: size, height: size, bands: 3, pixels: Pixels::U8((0..size * size).flat_map(colour).collect()) };
    let label =
        Mask { width: size, height: size, data: (0..size * size).map(|pixel| u8::from(inside(pixel))).collect() };
    Scene {
        name: format!("disc-{index}"),
        source: SceneOrigin::Memory { images: vec![Arc::new(image)], label: Arc::new(label) },
    }
}

/// Adds the excess of green over red and blue as a band.
struct WithGreenness;

impl Mapper<Sample, Sample> for WithGreenness {
    fn map(&self, sample: &Sample) -> Sample {
        let mut sample = sample.clone();
        let area = sample.height * sample.width;
        for image in &mut sample.images {
            let greenness = (0..area).map(|pixel| 2.0 * image[area + pixel] - image[pixel] - image[2 * area + pixel]);
            let greenness: Vec<f32> = greenness.collect();
            image.extend(greenness);
        }
        sample.bands += 1;
        sample
    }
}
