//! Any size, bands, classes and direction set; training mode; seeds.

use burn::{Tensor, module::Module, tensor::Distribution};
use burn_rsmamba::{Directions, ModelConfig, RsmCdConfig, RsmSsConfig, Task};
use burn_rsmamba_tests::{
    compare::{Failures, values},
    device, trainable,
};

/// As small as a model gets.
pub(crate) fn smallest(task: Task) -> ModelConfig {
    let mut config = ModelConfig::preset(task, "micro").expect("a preset");
    config.encoder.dims = [4, 8, 16, 32];
    config.encoder.depths = [1, 1, 1, 1];
    config.encoder.d_state = 2;
    config
}

#[test]
fn any_size_bands_classes_and_direction_set_run() {
    let device = device();
    let sizes = [(32, 32), (33, 47), (64, 40), (95, 97), (7, 130)];
    let sets = [Directions::Eight, Directions::Four, Directions::Two, Directions::One];
    for task in [Task::Ss, Task::Cd] {
        for (index, (height, width)) in sizes.into_iter().enumerate() {
            let mut config = smallest(task);
            config.encoder.bands = [3, 1, 4, 8, 2][index];
            config.classes = [1, 2, 5, 1, 3][index];
            config.encoder.directions = sets[index % sets.len()];
            let image = Tensor::<4>::random([2, config.encoder.bands, height, width], Distribution::Default, &device);
            let logits = config.init(&device).forward(&vec![image; task.dates()]);
            assert_eq!(logits.dims(), [2, config.classes, height, width], "{task}");
            assert!(values(logits).iter().all(|value| value.is_finite()), "{task} {height}x{width}");
        }
    }
}

#[test]
fn padding_does_not_reach_into_an_image_that_needs_none() {
    // at 64x64 nothing is padded, so a model is exactly the network; 63x64 must differ only by its own padding
    let device = device();
    let model = smallest(Task::Ss).init(&device);
    let image = Tensor::<4>::random([1, 3, 63, 64], Distribution::Default, &device);
    let edge = image.clone().narrow(2, 62, 1);
    let padded = Tensor::cat(vec![image.clone(), edge], 2);
    let by_hand = model.forward(&[padded]).narrow(2, 0, 63);
    let (own, by_hand) = (values(model.forward(&[image])), values(by_hand));
    let mut failures = Failures::default();
    failures.absolute("the padding of a model is edge replication", &own, &by_hand, 0.0);
    failures.finish();
}

#[test]
fn training_mode_is_the_autodiff_device() {
    let device = device();
    let autodiff = device.clone().autodiff();
    let model = smallest(Task::Ss).init(&autodiff);
    let image = Tensor::<4>::random([2, 3, 32, 32], Distribution::Default, &device);
    let before = values(model.valid().forward(std::slice::from_ref(&image)));
    assert!(before == values(model.valid().forward(std::slice::from_ref(&image))), "inference changes nothing");
    // a training forward moves the running statistics
    let _ = model.forward(&[Tensor::from_inner(image.clone())]);
    assert!(before != values(model.valid().forward(&[image])), "training moves the running statistics");
}

#[test]
fn parameter_counts_are_the_papers() {
    for (directions, ss, cd) in [
        (Directions::Eight, 50_379_057, 51_948_657),
        (Directions::Four, 45_552_945, 47_122_545),
        (Directions::Two, 43_139_889, 44_709_489),
        (Directions::One, 41_933_361, 43_502_961),
    ] {
        let count = |task, expected: u64| {
            let mut config = ModelConfig::preset(task, "tiny").expect("a preset");
            config.encoder.directions = directions;
            assert_eq!(burn_rsmamba::complexity(&config, 256, 256).parameters, expected, "{task} {directions:?}");
        };
        count(Task::Ss, ss);
        count(Task::Cd, cd);
    }
}

#[test]
fn the_tiny_models_really_have_the_papers_parameters() {
    assert_eq!(trainable(&RsmSsConfig::tiny().init(&device())), 50_379_057);
    assert_eq!(trainable(&RsmCdConfig::tiny().init(&device())), 51_948_657);
}

#[test]
fn wrong_inputs_are_named() {
    let model = smallest(Task::Cd).init(&device());
    let image = |bands, size| Tensor::<4>::zeros([1, bands, size, size], &device());
    let message = |dates: Vec<Tensor<4>>| {
        let run = std::panic::AssertUnwindSafe(|| model.forward(&dates));
        let panic = std::panic::catch_unwind(run).expect_err("refused");
        panic.downcast_ref::<String>().cloned().expect("a formatted message")
    };
    assert_eq!(
        message(vec![image(4, 32), image(4, 32)]),
        "RsmCd: `before` must be [batch, 3, height, width], got [1, 4, 32, 32]"
    );
    assert!(message(vec![image(3, 32), image(3, 64)]).starts_with("RsmCd: `before` and `after` must have one shape"));
    assert_eq!(message(vec![image(3, 32)]), "RsmModel: task cd takes 2 image(s) a sample, got 1");
}

#[test]
fn bad_configurations_are_refused_with_the_field() {
    let check = |change: fn(&mut ModelConfig), field: &str| {
        let mut config = smallest(Task::Ss);
        change(&mut config);
        let error = config.validate().expect_err(field);
        assert_eq!(error.field, field);
        assert!(!error.to_string().contains('\n'));
    };
    check(|c| c.classes = 0, "classes");
    check(|c| c.classes = 256, "classes");
    check(|c| c.encoder.bands = 0, "bands");
    check(|c| c.encoder.dims = [4, 8, 16, 31], "dims");
    check(|c| c.encoder.dims = [5, 10, 20, 40], "dims");
    check(|c| c.encoder.depths = [1, 0, 1, 1], "depths");
    check(|c| c.encoder.ssm_ratio = 0.3, "ssm_ratio");
    check(|c| c.encoder.drop_path = 1.0, "drop_path");
    check(|c| c.encoder.d_state = 0, "d_state");
}
