//! A training loop of one's own, in plain Burn: change detection on drawn scenes, the two dates augmented alike, with a
//! learning rate that rises and falls once.
//!
//! `cargo run --release -p burn-rsmamba --example training_loop -- [EPOCHS]`
//!
//! For eight epochs it finds nothing; then it does.
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::f64::consts::PI;

use burn::Tensor;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, TensorData};
use burn_dataset::Dataset;
use burn_rsmamba::losses::bce_dice;
use burn_rsmamba::metrics::Confusion;
use burn_rsmamba::optim::{FusedAdamWConfig, clip_grad_norm};
use burn_rsmamba::{RsmCdConfig, RsmModel};
use burn_rsmamba_datasets::{CropOptions, Crops, Dates, Split, augment, demo};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const BATCH: usize = 8;
const PEAK: f64 = 4e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let epochs: usize = std::env::args().nth(1).map_or(Ok(25), |epochs| epochs.parse())?;
    let device = Device::flex();
    let tracked = device.clone().autodiff();
    device.seed(1);

    let options = demo::DemoOptions { size: 64, train: 128, val: 24, ..Default::default() };
    let crops = |split| {
        let set = demo::scenes(Dates::Two, split, &options);
        Crops::new(&set, CropOptions { size: 64, ..Default::default() })
    };
    let (train, val) = (crops(Split::Train)?, crops(Split::Val)?);

    let mut model = RsmModel::Cd(RsmCdConfig::nano().init_seeded(1, &tracked));
    let mut optimizer = FusedAdamWConfig::new().init();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut step, steps) = (0_u32, epochs * train.len().div_ceil(BATCH));
    for epoch in 1..=epochs {
        let mut losses = Vec::new();
        for start in (0..train.len()).step_by(BATCH) {
            // a batch that is flipped and turned at random
            let mut samples = train.get_many((start..train.len().min(start + BATCH)).collect())?;
            for sample in &mut samples {
                augment(sample, true, &mut random);
            }
            let tensor = |values: Vec<f32>, bands| {
                Tensor::<4>::from_data(TensorData::new(values, [samples.len(), bands, 64, 64]), &tracked)
            };
            let date = |date: usize| tensor(samples.iter().flat_map(|sample| sample.images[date].clone()).collect(), 3);
            let labels = samples.iter().flat_map(|sample| sample.label.iter().map(|&value| f32::from(value))).collect();

            // forward, loss, backward, one global gradient norm, a step
            let loss = bce_dice(model.forward(&[date(0), date(1)]), tensor(labels, 1)).total;
            losses.push(loss.clone().into_scalar::<f32>());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let (gradients, _) = clip_grad_norm(&model, gradients, 1.0);
            let along = f64::from(step) / steps as f64;
            let rate = PEAK * (along / 0.2).min(0.5 + 0.5 * (PI * along).cos());
            model = optimizer.step(rate, model, gradients);
            step += 1;
        }
        let loss = losses.iter().sum::<f32>() / losses.len() as f32;
        println!("epoch {epoch}: loss {loss:.3}, F1 {:.3}", score(&model.valid(), &val, &device)?.f1());
    }
    Ok(())
}

/// Counts every pixel of a split at the threshold 0.5.
fn score(model: &RsmModel, crops: &Crops, device: &Device) -> Result<Confusion, Box<dyn Error>> {
    let (mut marked, mut truth) = (Vec::new(), Vec::new());
    for index in 0..crops.len() {
        let sample = crops.get(index)?;
        let dates =
            sample.images.into_iter().map(|image| Tensor::from_data(TensorData::new(image, [1, 3, 64, 64]), device));
        let logits = model.forward(&dates.collect::<Vec<Tensor<4>>>());
        marked.extend(logits.greater_elem(0.0).into_data().iter::<bool>());
        truth.extend(sample.label.iter().map(|&value| value == 1));
    }
    Ok(Confusion::count(marked.into_iter(), truth.into_iter()))
}
