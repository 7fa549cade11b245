//! Half precision against the official code's numbers, on every device that computes in it.

use super::parity::{checkpoint, dates, golden, official_gradients, training_model};
use burn::{
    optim::GradientsParams,
    store::ModuleSnapshot,
    tensor::{DType, Device, FloatDType},
};
use burn_rsmamba::{
    Precision, RsmModel, Task,
    losses::bce_dice,
    optim::{FusedAdamWConfig, clip_grad_norm},
    scan::supports_dtype,
    weights,
};
use burn_rsmamba_tests::{
    autodiff_devices,
    compare::{Failures, values},
    device,
    fixtures::{golden_path, skip},
};

/// The half precisions that the device has, with their rounding error.
fn halves(device: &Device) -> Vec<(Precision, f32)> {
    let all = [(Precision::Bf16, FloatDType::BF16, 1.0 / 256.0), (Precision::F16, FloatDType::F16, 1.0 / 2048.0)];
    let mut halves = Vec::new();
    for (precision, dtype, rounding) in all {
        assert_eq!(precision.is_supported(device), supports_dtype(device, dtype));
        if precision.is_supported(device) {
            halves.push((precision, rounding));
        } else {
            skip(&format!("{precision}, in which {device:?} does not compute"));
        }
    }
    halves
}

/// `|a - b| / |b|` of whole vectors.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    (norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())) as f32
}

#[test]
fn logits_are_as_far_off_as_rounding_takes_them() {
    let device = device();
    for task in [Task::Ss, Task::Cd] {
        let golden = golden(task);
        let (model, _) = weights::import(&golden_path(&checkpoint(task)), &device).expect("a checkpoint");
        let dates = dates(&golden, task, &device);
        for (precision, rounding) in halves(&device) {
            let logits = model.clone().in_precision(precision).forward(&dates);
            assert_eq!(logits.dtype(), DType::F32);
            let away = distance(&values(logits), golden.values("logits_eval"));
            // Some dozens of roundings one after the other, and not none: else it ran in f32.
            assert!(away < 16.0 * rounding && away > rounding / 64.0, "{task} {precision}: {away}");
        }
        let again = values(model.clone().in_precision(Precision::F32).forward(&dates));
        assert_eq!(again, values(model.forward(&dates)), "{task}: f32 is what it was");
    }
}

#[test]
fn training_follows_the_official_run_with_gradients_and_statistics_in_f32() {
    let mut failures = Failures::default();
    for task in [Task::Ss, Task::Cd] {
        let golden = golden(task);
        let number = |key: &str| golden.meta(key).as_f64().expect("a number");
        for (mode, device) in autodiff_devices() {
            let labels = golden.tensor::<3>("label", &device).unsqueeze_dim(1);
            let dates = dates(&golden, task, &device);
            for (precision, rounding) in halves(&device) {
                let label = |what: &str| format!("{task} ({mode}) {precision} {what}");
                let mut model = training_model(task, &device);
                let before = running(&model);
                let mut optimizer = FusedAdamWConfig::new().with_weight_decay(number("weight_decay") as f32).init();
                let steps = golden.meta("losses").as_array().expect("a list").clone();
                for (step, expected) in steps.iter().enumerate() {
                    let logits = model.clone().in_precision(precision).forward(&dates);
                    let loss = bce_dice(logits, labels.clone()).total;
                    let expected = expected[0].as_f64().expect("a number") as f32;
                    let got = values(loss.clone());
                    failures.relative(&label(&format!("step {step} loss")), &got, &[expected], 4.0 * rounding);
                    let grads = GradientsParams::from_grads(loss.backward(), &model);
                    if step == 0 {
                        let gradients = official_gradients(&model, &grads);
                        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                        for key in golden.keys().filter_map(|key| key.strip_prefix("grad.")) {
                            ours.extend_from_slice(
                                gradients.get(key).unwrap_or_else(|| panic!("no gradient of {key}")),
                            );
                            theirs.extend_from_slice(golden.values(&format!("grad.{key}")));
                        }
                        let away = distance(&ours, &theirs);
                        // 20 roundings of bf16. In f16 small gradients are lost, to the same effect: why `train` has no f16.
                        if away > 20.0 / 256.0 {
                            failures.note(format!("{}: {away} of their norm", label("gradients")));
                        }
                    }
                    let (grads, _) = clip_grad_norm(&model, grads, number("clip_norm"));
                    model = optimizer.step(number("lr"), model, grads);
                }
                let tensors = model.collect(None, None, true);
                assert!(tensors.iter().all(|tensor| tensor.dtype == DType::F32), "{}", label("weights stay in f32"));
                assert_ne!(running(&model), before, "{}", label("running statistics"));
            }
        }
    }
    failures.finish();
}

/// The bytes of every running statistic of a model.
fn running(model: &RsmModel) -> Vec<Vec<u8>> {
    let tensors = model.collect(None, None, true);
    let running = tensors.into_iter().filter(|tensor| tensor.name.contains("running_"));
    running.map(|tensor| tensor.into_bytes().expect("a model's tensors can be read").to_vec()).collect()
}
