//! The native layers against the same modules composed of Burn's own operations, under Burn's own autodiff.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    store::ModuleSnapshot,
    tensor::{Device, TensorData},
};
use burn_rsmamba::{
    Directions, ModelConfig, RsmModel, Task, layers,
    losses::bce_dice,
    modules::{ConvNormReluConfig, OssBlockConfig, OssmConfig, PatchEmbedConfig},
};
use burn_rsmamba_tests::{
    autodiff,
    compare::{Failures, values},
    device, flex,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Flex, and the device under test where it is a GPU: what has native layers.
fn devices() -> Vec<Device> {
    let mut devices = vec![flex()];
    if cfg!(feature = "gpu") && device() != flex() {
        devices.push(device());
    }
    devices
}

/// Widths and sizes that are no multiples of anything, all direction sets, several bands and classes.
fn configs() -> Vec<(ModelConfig, [usize; 3])> {
    let mut configs = Vec::new();
    for (task, directions, dims, classes, bands, size) in [
        (Task::Ss, Directions::Eight, [16, 32, 64, 128], 1, 3, [2, 33, 64]),
        (Task::Cd, Directions::Eight, [16, 32, 64, 128], 1, 3, [2, 64, 40]),
        (Task::Ss, Directions::Four, [6, 12, 24, 48], 3, 5, [1, 32, 96]),
        (Task::Cd, Directions::Two, [10, 20, 40, 80], 2, 1, [3, 32, 32]),
    ] {
        let mut config = ModelConfig::preset(task, "micro").expect("a preset");
        config.classes = classes;
        config.encoder.dims = dims;
        config.encoder.directions = directions;
        config.encoder.bands = bands;
        // Stochastic depth draws at random, and other tests draw beside this one.
        config.encoder.drop_path = 0.0;
        configs.push((config, size));
    }
    configs
}

/// Uniform in 0..1, of a seed.
fn uniform(shape: [usize; 4], seed: u64, device: &Device) -> Tensor<4> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| (rng.next_u32() >> 8) as f32 / 16_777_216.0).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn images(config: &ModelConfig, [batch, height, width]: [usize; 3], seed: u64, device: &Device) -> Vec<Tensor<4>> {
    let shape = [batch, config.encoder.bands, height, width];
    (0..config.task.dates()).map(|date| uniform(shape, 10 * seed + date as u64, device)).collect()
}

/// Every parameter's gradient, in the module's order.
fn gradients(model: &RsmModel, grads: &GradientsParams) -> Vec<Vec<f32>> {
    struct Collect<'a>(&'a GradientsParams, Vec<Vec<f32>>);
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.1.push(values(grad));
            }
        }
    }
    let mut collect = Collect(grads, Vec::new());
    model.visit(&mut collect);
    collect.1
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().expect("four bytes"))).collect()
}

#[test]
fn native_layers_give_the_composed_logits() {
    let mut failures = Failures::default();
    for device in devices() {
        for (config, size) in configs() {
            let model = config.init_seeded(1, &device);
            let images = images(&config, size, 1, &device);
            let native = values(model.forward(&images));
            let composed = values(layers::composed(|| model.forward(&images)));
            failures.relative(&format!("{device:?} {config:?}"), &native, &composed, 2e-5);
        }
    }
    failures.finish();
}

/// What a training step gives: loss, logits, gradients, running statistics.
struct Step {
    loss: f32,
    logits: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    statistics: Vec<Vec<f32>>,
}

fn step(config: &ModelConfig, size: [usize; 3], seed: u64, device: &Device) -> Step {
    let model = config.init_seeded(seed, device);
    let [batch, height, width] = size;
    let labels = uniform([batch, config.classes, height, width], 10 * seed + 9, device).greater_elem(0.5).float();
    let logits = model.forward(&images(config, size, seed, device));
    let own_logits = values(logits.clone());
    let loss = bce_dice(logits, labels).total;
    let value = loss.clone().into_scalar::<f32>();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let gradients = gradients(&model, &grads);
    let synced = config.init(device).load_record(model.into_record());
    let tensors = synced.collect(None, None, true).into_iter().filter(|tensor| tensor.name.contains("running"));
    let statistics = tensors.map(|tensor| floats(&tensor.to_bytes().expect("on this machine"))).collect();
    Step { loss: value, logits: own_logits, gradients, statistics }
}

/// The layers' two ways of taking one step: the differences of the results, and those of the gradients.
fn differences(
    label: &str,
    config: &ModelConfig,
    size: [usize; 3],
    seed: u64,
    device: &Device,
) -> (Failures, Failures) {
    let native = step(config, size, seed, device);
    let composed = layers::composed(|| step(config, size, seed, device));
    assert_eq!(native.gradients.len(), composed.gradients.len(), "{label}: gradients");
    assert_eq!(native.statistics.len(), composed.statistics.len(), "{label}: statistics");
    assert!(native.statistics.len() >= 10, "{label}: {} statistics", native.statistics.len());
    let mut results = Failures::default();
    results.absolute(&format!("{label} loss"), &[native.loss], &[composed.loss], 1e-5);
    results.absolute(&format!("{label} logits"), &native.logits, &composed.logits, 1e-4);
    for (index, (own, other)) in native.statistics.iter().zip(&composed.statistics).enumerate() {
        results.relative(&format!("{label} statistic {index}"), own, other, 1e-4);
    }
    let mut gradients = Failures::default();
    for (index, (own, other)) in native.gradients.iter().zip(&composed.gradients).enumerate() {
        // A bias before a batch normalisation has no gradient but rounding, which reaches 3e-7 here with some draws:
        // the tolerance never falls below 1e-6.
        let largest = other.iter().fold(5e-4f32, |max, value| max.max(value.abs()));
        gradients.absolute(&format!("{label} gradient {index}"), own, other, 2e-3 * largest);
    }
    (results, gradients)
}

/// With about one draw in ten the gradients differ by percents while loss, logits and statistics agree: some `ReLU` gets an input
/// that is zero but for rounding, the two ways take different sides of its kink, and the maps are so small that one pixel
/// moves every gradient before it. So a draw with other gradients is followed by another one.
#[test]
fn native_layers_give_the_composed_gradients_and_running_statistics() {
    const DRAWS: u64 = 4;
    // of the modes one, on a GPU: a software one takes a minute for each
    let modes = devices().into_iter().flat_map(|device| {
        let some = if device == flex() { 2 } else { 1 };
        autodiff(&device).into_iter().take(some)
    });
    for (mode, device) in modes {
        for (config, size) in configs() {
            let mut last = Failures::default();
            for seed in 1..=DRAWS {
                let label = format!("{mode} {} seed {seed}", config.task);
                let (results, gradients) = differences(&label, &config, size, seed, &device);
                results.finish();
                last = gradients;
                if last.is_empty() {
                    break;
                }
            }
            last.finish();
        }
    }
}

/// A convolution whose patches do not fit into one piece, forward or backward.
#[test]
fn a_convolution_in_pieces_is_that_of_the_composed_layer() {
    let run = |device: &Device| {
        let device = device.clone().autodiff();
        let mut layer = ConvNormReluConfig::new([128, 9]).with_kernel(3).init(&device);
        layer.conv.weight = Param::from_tensor(uniform([9, 128, 3, 3], 6, &device) - 0.5);
        let x = uniform([3, 128, 128, 128], 5, &device).require_grad();
        let y = layer.forward(x.clone());
        let grads = (y.clone() * y.clone()).mean().backward();
        let weight = layer.conv.weight.val().grad(&grads).expect("a gradient");
        [values(y), values(x.grad(&grads).expect("a gradient")), values(weight)]
    };
    let mut failures = Failures::default();
    let composed = layers::composed(|| run(&flex()));
    for device in devices() {
        for (what, (native, composed)) in ["y", "dx", "dweight"].iter().zip(run(&device).iter().zip(&composed)) {
            failures.relative(&format!("{device:?} {what}"), native, composed, 1e-4);
        }
    }
    failures.finish();
}

#[test]
fn the_switch_falls_back_when_its_closure_ends() {
    for device in devices() {
        let model = ModelConfig::preset(Task::Ss, "micro").expect("a preset").init(&device);
        let image = uniform([1, 3, 32, 32], 1, &device);
        let before = values(model.forward(std::slice::from_ref(&image)));
        let composed = layers::composed(|| values(model.forward(std::slice::from_ref(&image))));
        let after = values(model.forward(&[image]));
        assert!(before == after, "{device:?}: the native layers are back and give the same bits");
        assert!(
            before != composed,
            "{device:?}: two ways of adding never agree in every bit: was the switch used at all?"
        );
    }
}

#[test]
fn maps_of_other_channels_are_refused() {
    let refused = |what: &str, device: &Device, run: &dyn Fn() -> Tensor<4>| {
        // read, so that nothing is left undone
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| values(run())));
        assert!(ran.is_err(), "{what} on {device:?}");
    };
    for device in devices() {
        let map = |channels: usize| uniform([1, 8, 8, channels], 1, &device);
        let block = OssBlockConfig::new(OssmConfig::new(16)).init(&device);
        assert_eq!(block.forward(map(16)).dims(), [1, 8, 8, 16]);
        for channels in [8, 12, 24, 32] {
            refused(&format!("a block of 16 channels, a map of {channels}"), &device, &|| block.forward(map(channels)));
        }
        // few outputs and many, which take different kernels
        for outputs in [4, 32] {
            let layer = ConvNormReluConfig::new([16, outputs]).init(&device);
            for channels in [8, 24] {
                refused(&format!("16 to {outputs}, a map of {channels}"), &device, &|| layer.forward(map(channels)));
                let fused = || layer.fuse(map(channels), map(4));
                refused(&format!("16 to {outputs}, maps of {channels} and 4"), &device, &fused);
            }
        }
        let patches = PatchEmbedConfig::new(4, 16).init(&device);
        for bands in [3, 5] {
            let image = || patches.forward(uniform([1, bands, 32, 32], 1, &device));
            refused(&format!("4 bands, an image of {bands}"), &device, &image);
        }
    }
}
