//! How many kernels a block launches on a GPU: exact and repeatable, so a guard that needs no quiet machine.
//!
//! A program of its own: the count covers the whole process.

use burn::{
    Tensor,
    module::Module,
    tensor::{Device, Distribution},
};
use burn_rsmamba::modules::{OssBlockConfig, OssmConfig};
use burn_rsmamba_tests::{device, flex};
use cubecl::logging::{LaunchObservation, LaunchObserver};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
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

const SIZE: [usize; 4] = [1, 16, 16, 96];

/// Kernels of the scan among them.
fn of_scan(launches: &BTreeMap<&'static str, usize>) -> usize {
    launches.iter().filter(|(kernel, _)| kernel.starts_with("burn_rsmamba_kernels::gpu::scan::")).map(|(_, count)| count).sum()
}

#[test]
fn a_block_launches_no_more_kernels_than_it_did() {
    let device = device();
    if device == flex() {
        return;
    }
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
    let sum = |launches: &BTreeMap<_, usize>| launches.values().sum::<usize>();
    println!("forward: {} launches, {} of them of the scan: {forward:#?}", sum(&forward), of_scan(&forward));
    println!("training: {} launches, {} of them of the scan: {train:#?}", sum(&train), of_scan(&train));
    assert_eq!((of_scan(&forward), of_scan(&train)), (4, 12), "launches of the scan");
    // Burn's own launches depend on the device: how products are split, what is tried out.
    let (most_forward, most_train) = if cfg!(feature = "wgpu-unfused") {
        (18, 63)
    } else if cfg!(feature = "wgpu") {
        (18, 63)
    } else {
        return;
    };
    assert!(sum(&forward) <= most_forward, "{} launches forward, {most_forward} when this was written", sum(&forward));
    assert!(sum(&train) <= most_train, "{} launches in training, {most_train} when this was written", sum(&train));
}
