//! Training with Burn's own engine, its metrics and its renderers:
//! `cargo run --release -p burn-rsmamba --features train --example burn_learner`.
//!
//! Squares on noise, drawn on the fly; a small model; loss, precision, recall and F1 of every epoch.

#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use burn::{
    data::{
        dataloader::{DataLoaderBuilder, batcher::Batcher},
        dataset::InMemDataset,
    },
    optim::AdamWConfig,
    tensor::{Device, Tensor, TensorData},
    train::{
        Learner, SupervisedTraining,
        metric::{FBetaScoreMetric, LossMetric, PrecisionMetric, RecallMetric},
    },
};
use burn_rsmamba::{
    ModelConfig, Task,
    learner::{LabeledBatch, Trainee},
    losses::Loss,
};

const SIDE: usize = 64;

/// An image with a bright square, whose place is drawn from the number.
#[derive(Clone, Debug)]
struct Square(usize);

impl Square {
    fn contains(&self, y: usize, x: usize) -> bool {
        let (top, left) = (self.0 * 7 % 40, self.0 * 13 % 40);
        (top..top + 20).contains(&y) && (left..left + 20).contains(&x)
    }

    fn value(&self, band: usize, y: usize, x: usize) -> f32 {
        let noise = ((y * 31 + x * 17 + band * 7 + self.0 * 11) % 23) as f32 / 23.0;
        noise + if self.contains(y, x) { 0.5 } else { 0.0 }
    }
}

/// Draws images and labels.
#[derive(Clone)]
struct Painter;

impl Batcher<Square, LabeledBatch> for Painter {
    fn batch(&self, squares: Vec<Square>, device: &Device) -> LabeledBatch {
        let pixels = || (0..SIDE * SIDE).map(|pixel| (pixel / SIDE, pixel % SIDE));
        let (mut image, mut label) = (Vec::new(), Vec::new());
        for square in &squares {
            image.extend((0..3).flat_map(|band| pixels().map(move |(y, x)| square.value(band, y, x))));
            label.extend(pixels().map(|(y, x)| f32::from(square.contains(y, x))));
        }
        let tensor = |values: Vec<f32>, bands: usize| {
            Tensor::<4>::from_data(TensorData::new(values, [squares.len(), bands, SIDE, SIDE]), device)
        };
        LabeledBatch { dates: vec![tensor(image, 3)], labels: tensor(label, 1) }
    }
}

fn main() {
    let device = Device::flex().autodiff();
    let loader = |numbers: std::ops::Range<usize>| {
        DataLoaderBuilder::new(Painter).batch_size(4).build(InMemDataset::new(numbers.map(Square).collect()))
    };
    let model = ModelConfig::preset(Task::Ss, "micro").expect("a preset").init_seeded(1, &device);
    let trainee = Trainee::new(model, Loss::default(), 1.0);
    let folder = std::env::temp_dir().join("burn-rsmamba-learner");

    let result = SupervisedTraining::new(&folder, loader(0..32), loader(100..108))
        .metrics((
            LossMetric::new(),
            PrecisionMetric::binary(0.5),
            RecallMetric::binary(0.5),
            FBetaScoreMetric::binary(1.0, 0.5),
        ))
        .num_epochs(5)
        .summary()
        .launch(Learner::new(trainee, AdamWConfig::new().init(), 1e-3));

    println!("a model for {} is trained; the logs are in {}", result.model.model.task(), folder.display());
}
