//! How many kernels a block and a model launch on a GPU: exact and repeatable, so a guard that needs no quiet machine.
//!
//! A program of its own: the count covers the whole process.

use burn::{
    Tensor,
    module::Module,
    optim::GradientsParams,
    tensor::{Device, Distribution},
};
use burn_rsmamba::{
    ModelConfig, Task,
    losses::bce_dice,
    modules::{OssBlockConfig, OssmConfig},
    optim::{FusedAdamWConfig, clip_grad_norm},
};
use burn_rsmamba_tests::{device, flex};
use cubecl::logging::{LaunchObservation, LaunchObserver};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Default)]
struct Count(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Count {
    fn launched(&self, kernel: &'static str) {
        *self.0.lock().expect("no panic while counting").entry(kernel).or_default() += 1;
    }
}

/// Launches of `run`, by kernel, once everything before it is done and until everything of it is.
fn launches(device: &Device, run: impl FnOnce()) -> BTreeMap<&'static str, usize> {
    device.sync().expect("a working device");
    let count = Arc::new(Count::default());
    let watching = LaunchObservation::new(count.clone());
    run();
    device.sync().expect("a working device");
    drop(watching);
    let count = count.0.lock().expect("no panic while counting");
    count.clone()
}

/// Held while launches are counted.
static ALONE: Mutex<()> = Mutex::new(());

const SIZE: [usize; 4] = [1, 16, 16, 96];

/// Kernels of the scan among them.
fn of_scan(launches: &BTreeMap<&'static str, usize>) -> usize {
    launches
        .iter()
        .filter(|(kernel, _)| kernel.starts_with("burn_rsmamba_kernels::gpu::scan::"))
        .map(|(_, count)| count)
        .sum()
}

#[test]
fn a_block_launches_no_more_kernels_than_it_did() {
    let device = device();
    if device == flex() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let autodiff = device.clone().autodiff();
    let block = OssBlockConfig::new(OssmConfig::new(SIZE[3])).init(&autodiff);
    let plain = block.valid();
    let image = Tensor::<4>::random(SIZE, Distribution::Default, &device);
    let forward = || {
        let _ = plain.forward(image.clone());
    };
    let train = || {
        let x = Tensor::<4>::from_inner(image.clone()).require_grad();
        let _ = block.forward(x).sum().backward();
    };
    // The first runs compile, and let fusion find out what it can fuse.
    for _ in 0..2 {
        forward();
        train();
    }
    let (forward, train) = (launches(&device, forward), launches(&device, train));
    println!("forward: {} launches, {} of them of the scan: {forward:#?}", sum(&forward), of_scan(&forward));
    println!("training: {} launches, {} of them of the scan: {train:#?}", sum(&train), of_scan(&train));
    assert_eq!((of_scan(&forward), of_scan(&train)), (4, 12), "launches of the scan");
    expect("a block", &forward, &train, (18, 63));
}

#[test]
#[cfg_attr(
    feature = "wgpu-unfused",
    ignore = "takes two minutes there; 298 and 1263 launches forward and in training when this was written"
)]
fn a_model_launches_no_more_kernels_than_it_did() {
    let device = device();
    if device == flex() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let autodiff = device.clone().autodiff();
    let model = ModelConfig::preset(Task::Ss, "tiny").expect("a preset").init(&autodiff);
    let plain = model.valid();
    let image = Tensor::<4>::random([1, 3, 64, 64], Distribution::Default, &device);
    let labels = Tensor::<4>::ones([1, 1, 64, 64], &autodiff);
    let forward = || {
        let _ = plain.forward(std::slice::from_ref(&image));
    };
    let train = || {
        let logits = model.forward(&[Tensor::from_inner(image.clone())]);
        let _ = bce_dice(logits, labels.clone()).total.backward();
    };
    let mut optimizer = FusedAdamWConfig::new().init();
    let mut trained = Some(model.clone());
    let mut step = || {
        let model = trained.take().expect("put back after every step");
        let logits = model.forward(&[Tensor::from_inner(image.clone())]);
        let grads = GradientsParams::from_grads(bce_dice(logits, labels.clone()).total.backward(), &model);
        // so small a norm that all gradients are scaled
        let (grads, _) = clip_grad_norm(&model, grads, 1e-3);
        trained = Some(optimizer.step(1e-4, model, grads));
    };
    for _ in 0..2 {
        forward();
        train();
        step();
    }
    let (forward, train) = (launches(&device, forward), launches(&device, train));
    let step = launches(&device, step);
    println!("forward: {} launches: {forward:#?}", sum(&forward));
    println!("training: {} launches: {train:#?}", sum(&train));
    println!("a step with its optimiser: {} launches: {step:#?}", sum(&step));
    expect("the tiny model for segmentation", &forward, &train, (298, 1212));
    expect("the same with the optimiser", &forward, &step, (298, 1609));
}

fn sum(launches: &BTreeMap<&'static str, usize>) -> usize {
    launches.values().sum()
}

/// Burn's own launches depend on the device: how products are split, what is tried out. So numbers are for one kind.
fn expect(
    what: &str,
    forward: &BTreeMap<&'static str, usize>,
    train: &BTreeMap<&'static str, usize>,
    (most_forward, most_train): (usize, usize),
) {
    if !cfg!(any(feature = "wgpu", feature = "wgpu-unfused")) {
        return;
    }
    let (forward, train) = (sum(forward), sum(train));
    assert!(forward <= most_forward, "{what}: {forward} launches forward, {most_forward} when this was written");
    assert!(train <= most_train, "{what}: {train} launches in training, {most_train} when this was written");
}
