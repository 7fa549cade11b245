//! The objectives against PyTorch's values and gradients (`fixtures/losses.json`).

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Distribution, Int, TensorData},
};
use burn_rsmamba::{ModelConfig, Task, losses::Loss, optim::clip_grad_norm};
use burn_rsmamba_tests::{
    autodiff_devices,
    compare::{Failures, values},
    device,
    fixtures::fixture_json,
    flex,
};
use serde_json::Value;

fn numbers(case: &Value, key: &str) -> Vec<f32> {
    case[key].as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number") as f32).collect()
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let mut failures = Failures::default();
    for case in fixture_json("losses.json").as_array().expect("cases") {
        let loss: Loss = serde_json::from_value(case["loss"].clone()).expect("a loss");
        let ignore = case["ignore_index"].as_u64().map(|index| u8::try_from(index).expect("a byte"));
        let shape: [usize; 4] = serde_json::from_value(case["shape"].clone()).expect("four sides");
        let [batch, _, height, width] = shape;
        for (mode, device) in autodiff_devices() {
            let name = |what: &str| format!("{} ({mode}) {what}", case["name"]);
            let logits = Tensor::<4>::from_data(TensorData::new(numbers(case, "logits"), shape), &device);
            let logits = logits.require_grad();
            let labels = TensorData::new(numbers(case, "labels"), [batch, 1, height, width]);
            let value = loss.forward(logits.clone(), Tensor::from_data(labels, &device), ignore);
            failures.relative(&name("value"), &values(value.clone()), &numbers_of(&case["value"]), 1e-5);
            let gradient = logits.grad(&value.backward()).expect("a gradient");
            failures.relative(&name("gradient"), &values(gradient), &numbers(case, "gradient"), 1e-5);
        }
    }
    failures.finish();
}

fn numbers_of(value: &Value) -> [f32; 1] {
    [value.as_f64().expect("a number") as f32]
}

fn random(shape: [usize; 4], seed: u64, device: &Device) -> Tensor<4> {
    device.seed(seed);
    Tensor::random(shape, Distribution::Normal(0.0, 2.0), device)
}

#[test]
fn the_default_is_the_official_objective() {
    let logits = random([2, 1, 8, 8], 1, &device());
    let labels = random([2, 1, 8, 8], 2, &device()).greater_elem(0.0).float();
    let pairs = values(logits.clone()).into_iter().zip(values(labels.clone()));
    let (mut bce, mut overlap, mut areas, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (logit, label) in pairs {
        let (p, t) = (1.0 / (1.0 + (-f64::from(logit)).exp()), f64::from(label));
        bce -= t * p.ln() + (1.0 - t) * (1.0 - p).ln();
        (overlap, areas, count) = (overlap + p * t, areas + p + t, count + 1.0);
    }
    let expected = bce / count + 1.0 - (2.0 * overlap + 1e-5) / (areas + 1e-5);
    // No label is 255: ignoring it changes nothing but rounding.
    for ignore in [None, Some(255)] {
        let found = f64::from(values(Loss::default().forward(logits.clone(), labels.clone(), ignore))[0]);
        assert!((found - expected).abs() < 1e-5, "{ignore:?}: {found} {expected}");
    }
}

#[test]
fn a_batch_without_a_pixel_that_counts_has_no_loss_and_no_gradient() {
    let losses = [
        (1, Loss::default()),
        (1, Loss::Focal { gamma: 2.0, class_weights: vec![] }),
        (3, Loss::CrossEntropyDice { class_weights: vec![] }),
        (3, Loss::CrossEntropyDice { class_weights: vec![1.0, 2.0, 3.0] }),
        (3, Loss::Focal { gamma: 0.5, class_weights: vec![1.0, 2.0, 3.0] }),
    ];
    for (mode, device) in autodiff_devices() {
        for (channels, loss) in &losses {
            let logits = random([1, *channels, 4, 4], 3, &device).require_grad();
            let labels = Tensor::full([1, 1, 4, 4], 255.0, &device);
            let value = loss.forward(logits.clone(), labels, Some(255));
            assert_eq!(values(value.clone()), [0.0], "{mode} {loss:?}");
            let gradient = values(logits.grad(&value.backward()).expect("a gradient"));
            assert!(gradient.iter().all(|value| value.abs() == 0.0), "{mode} {loss:?}: {gradient:?}");
        }
    }
}

/// More elements than Flex sums in one piece.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let device = flex();
    let (height, width) = (1500, 1500);
    let logits = random([1, 3, height, width], 5, &device);
    let labels = Tensor::<4>::random([1, 1, height, width], Distribution::Uniform(0.0, 3.0), &device).floor();
    let losses = |threads: usize| -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let several = [
                Loss::CrossEntropyDice { class_weights: vec![1.0, 0.3, 0.7] },
                Loss::Focal { gamma: 1.5, class_weights: vec![] },
            ];
            let wide = logits.clone().reshape([3, 1, height, width]);
            let binary = labels.clone().equal_elem(1.0).float().repeat_dim(0, 3);
            let bce = Loss::BceDice { pos_weight: 2.0 }.forward(wide, binary, Some(255));
            let mut all: Vec<Tensor<1>> =
                several.iter().map(|loss| loss.forward(logits.clone(), labels.clone(), Some(2))).collect();
            all.push(bce);
            all.into_iter().map(|loss| values(loss)[0].to_bits()).collect()
        })
    };
    let one = losses(1);
    for threads in [2, 3, 8] {
        assert_eq!(losses(threads), one, "{threads} threads");
    }
}

/// A gradient of more elements than Flex sums in one piece; no preset has one.
#[test]
fn the_norm_of_a_wide_gradient_depends_on_no_thread() {
    struct Waves(GradientsParams);
    impl ModuleVisitor for Waves {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            // no random numbers: other tests draw from the device's generator meanwhile
            let numbers = Tensor::<1, Int>::arange(0..param.shape().num_elements() as i64, &param.device()).float();
            self.0.register::<D>(param.id, (numbers.sin() * 1e-3).reshape(param.shape()));
        }
    }
    let device = flex();
    let mut config = ModelConfig::preset(Task::Ss, "micro").expect("a preset");
    (config.encoder.dims, config.encoder.depths) = ([224, 448, 896, 1792], [1, 1, 1, 1]);
    (config.encoder.ssm_ratio, config.encoder.mlp_ratio) = (0.5, 0.25);
    let model = config.init(&device);
    let norm = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut waves = Waves(GradientsParams::new());
        model.visit(&mut waves);
        pool.install(|| clip_grad_norm(&model, waves.0, 1e9).1.to_bits())
    };
    let one = norm(1);
    for threads in [2, 3, 8] {
        assert_eq!(norm(threads), one, "{threads} threads");
    }
}

#[test]
fn what_does_not_fit_names_the_setting() {
    let message = |loss: Loss, channels| loss.check(channels).expect_err("it does not fit");
    assert!(message(Loss::default(), 3).contains('3'));
    assert!(message(Loss::BceDice { pos_weight: -1.0 }, 1).contains("pos_weight"));
    assert!(message(Loss::CrossEntropyDice { class_weights: vec![] }, 1).contains("two classes"));
    assert!(message(Loss::CrossEntropyDice { class_weights: vec![1.0] }, 3).contains("class_weights"));
    assert!(message(Loss::Focal { gamma: f64::NAN, class_weights: vec![] }, 1).contains("gamma"));
    assert!(message(Loss::Focal { gamma: 2.0, class_weights: vec![1.0; 3] }, 1).contains("2 classes"));
    assert_eq!(Loss::Focal { gamma: 2.0, class_weights: vec![0.25, 0.75] }.check(1), Ok(()));
}
