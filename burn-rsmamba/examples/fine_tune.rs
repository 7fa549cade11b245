//! Fine-tunes weights on one's own folder: the encoder stays as it is, decoder and head learn.
//!
//! `cargo run --release -p burn-rsmamba --example fine_tune -- WEIGHTS DATA OUT.safetensors [EPOCHS]`
//!
//! WEIGHTS is a `.pth` of the official code or a weights file of ours. DATA is `{train,val}/{image,label}`, or any other layout that
//! `burn_rsmamba_datasets` knows. For the whole recipe take `burn-rsmamba-cli train --init-from`.
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::path::Path;

use burn::Tensor;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, TensorData};
use burn_dataset::Dataset;
use burn_rsmamba::losses::bce_dice;
use burn_rsmamba::metrics::Confusion;
use burn_rsmamba::optim::FusedAdamWConfig;
use burn_rsmamba::{ModelMeta, Normalisation, RsmModel, Task, weights};
use burn_rsmamba_datasets::{CropOptions, Crops, Dates, Draw, Sample, Sampler, Split, open};

const BATCH: usize = 4;
const LEARNING_RATE: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, data, to, rest @ ..] = &arguments[..] else { return Err("give WEIGHTS, DATA and OUT".into()) };
    let epochs: usize = rest.first().map_or(Ok(5), |epochs| epochs.parse())?;

    // The folder, cut into crops of the size that the weights were trained on.
    let device = Device::flex();
    device.seed(42);
    let (model, mut meta) = read(Path::new(from), &device.clone().autodiff())?;
    if model.task() != Task::Ss || model.classes() > 1 {
        return Err("this example is for one date and one class; `losses::Loss` has objectives for several".into());
    }
    let crops = |split| {
        let options = CropOptions { size: meta.crop, downsample: meta.downsample.get(), ..Default::default() };
        Crops::new(&open(data.as_ref(), Dates::One, split)?, options)
    };
    let (train, val) = (crops(Split::Train)?, crops(Split::Val)?);
    println!("{} crops to train on, {} to validate on", train.len(), val.len());
    println!("before: F1 {:.3}", score(&model.valid(), &val, &meta, &device)?.f1());

    // A tensor that asks for no gradient is left alone by the optimiser.
    let mut model = model.freeze_encoder();
    let mut optimizer = FusedAdamWConfig::new().init();
    for epoch in 1..=epochs {
        let mut losses = Vec::new();
        // another order each epoch
        let order = Sampler::new(&train, Draw::Shuffled { keep_empty: 1.0 }).order(42, epoch);
        for turns in order.chunks(BATCH) {
            let samples = train.get_many(turns.iter().map(|turn| turn.crop).collect())?;
            let (images, labels) = batch(&samples, &meta.normalisation, &device.clone().autodiff());
            let loss = bce_dice(model.forward(&[images]), labels).total;
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(LEARNING_RATE, model, gradients);
        }
        let loss = losses.iter().sum::<f32>() / losses.len() as f32;
        println!("epoch {epoch}: loss {loss:.3}, F1 {:.3}", score(&model.valid(), &val, &meta, &device)?.f1());
    }

    meta.provenance = format!("{from}, its decoder fine-tuned on {data}");
    weights::save(&model.valid(), &meta, to.as_ref())?;
    Ok(())
}

/// An official `.pth`, or a file of ours.
fn read(path: &Path, device: &Device) -> Result<(RsmModel, ModelMeta), Box<dyn Error>> {
    let official = path.extension().is_some_and(|extension| extension == "pth");
    Ok(if official { weights::import(path, device)? } else { weights::load(path, device)? })
}

/// Images `[B, bands, H, W]` as the model was trained on them, and labels `[B, 1, H, W]`.
fn batch(samples: &[Sample], normalisation: &Normalisation, device: &Device) -> (Tensor<4>, Tensor<4>) {
    let Sample { height, width, bands, .. } = samples[0];
    let mut values = Vec::with_capacity(samples.len() * bands * height * width);
    for sample in samples {
        let mut image = sample.images[0].clone();
        normalisation.apply(&mut image);
        values.extend(image);
    }
    let images = Tensor::<4>::from_data(TensorData::new(values, [samples.len(), bands, height, width]), device);
    let labels: Vec<f32> =
        samples.iter().flat_map(|sample| sample.label.iter().map(|&value| f32::from(value))).collect();
    (images, Tensor::from_data(TensorData::new(labels, [samples.len(), 1, height, width]), device))
}

/// Counts every pixel of a split once.
fn score(model: &RsmModel, crops: &Crops, meta: &ModelMeta, device: &Device) -> Result<Confusion, Box<dyn Error>> {
    let (mut marked, mut truth) = (Vec::new(), Vec::new());
    for index in 0..crops.len() {
        let sample = crops.get(index)?;
        let (image, _) = batch(std::slice::from_ref(&sample), &meta.normalisation, device);
        let probabilities = burn::tensor::activation::sigmoid(model.forward(&[image]));
        let probabilities: Vec<f32> = probabilities.into_data().try_into_vec().map_err(|error| format!("{error:?}"))?;
        // crops at the rim of a scene overlap their neighbours
        for pixel in sample.counted.indices(sample.width) {
            marked.push(probabilities[pixel] >= meta.threshold);
            truth.push(sample.label[pixel] == 1);
        }
    }
    Ok(Confusion::count(marked.into_iter(), truth.into_iter()))
}
