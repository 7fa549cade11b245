//! The optimiser's step and the clipping of gradients against Burn's own operations.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param},
    optim::{AdamWConfig, GradientsParams},
    tensor::Int,
};
use burn_rsmamba::{
    layers::composed,
    modules::{OssBlock, OssBlockConfig, OssmConfig},
    optim::{FusedAdamWConfig, clip_grad_norm},
};
use burn_rsmamba_tests::{
    compare::{Failures, values},
    device, flex,
};

const LEARNING_RATE: f64 = 1e-2;

/// A gradient for every parameter, another at every step; running statistics, which clones of a model share, have none.
struct Waves {
    step: f64,
    grads: GradientsParams,
}

impl ModuleVisitor for Waves {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let device = param.device().inner();
        let numbers = Tensor::<1, Int>::arange(0..param.shape().num_elements() as i64, &device).float();
        let wave = (numbers * 0.7 + self.step).sin() * 1e-2;
        self.grads.register::<D>(param.id, wave.reshape(param.shape()));
    }
}

fn waves(model: &impl Module, step: usize) -> GradientsParams {
    let mut waves = Waves { step: step as f64, grads: GradientsParams::new() };
    model.visit(&mut waves);
    waves.grads
}

fn block() -> OssBlock {
    let device = device().autodiff();
    device.seed(7);
    OssBlockConfig::new(OssmConfig::new(8)).init(&device)
}

/// Numbers of every parameter, or of its gradient, in order.
struct Numbers<'a> {
    of: Option<&'a GradientsParams>,
    found: Vec<Vec<f32>>,
}

impl ModuleVisitor for Numbers<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let tensor = self.of.map_or_else(|| param.val().inner(), |grads| grads.get(param.id).expect("a gradient"));
            self.found.push(values(tensor));
        }
    }
}

fn numbers(model: &impl Module, of: Option<&GradientsParams>) -> Vec<Vec<f32>> {
    let mut all = Numbers { of, found: Vec::new() };
    model.visit(&mut all);
    all.found
}

/// On Flex to the bit, elsewhere but for rounding.
fn expect_same(what: &str, actual: &[Vec<f32>], expected: &[Vec<f32>]) {
    if device() == flex() {
        assert!(actual == expected, "{what}: not the same bits");
    }
    let mut failures = Failures::default();
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        failures.relative(&format!("{what}: parameter {index}"), actual, expected, 1e-6);
    }
    failures.finish();
}

#[test]
fn a_fused_step_is_burns() {
    let (beta_1, beta_2, epsilon, weight_decay) = (0.8, 0.95, 1e-6, 0.1);
    let fused = FusedAdamWConfig { beta_1, beta_2, epsilon, weight_decay };
    let burns = AdamWConfig::new()
        .with_beta_1(beta_1)
        .with_beta_2(beta_2)
        .with_epsilon(epsilon)
        .with_weight_decay(weight_decay);
    let start = block();
    let (mut model, mut model_of_burn) = (start.clone(), start.clone());
    let (mut optimizer, mut optimizer_of_burn) = (fused.init(), burns.init());
    let at_start = numbers(&start, None);
    for step in 0..4 {
        if step == 2 {
            // each goes on from the other's record
            let records = (optimizer_of_burn.to_record(), optimizer.to_record());
            (optimizer, optimizer_of_burn) = (fused.init().load_record(records.0), burns.init().load_record(records.1));
        }
        // Who holds parameters and moments from before the step must keep them.
        let (held, mut held_optimizer) = (model.clone(), optimizer.clone());
        let held_numbers = numbers(&held, None);
        let gradients = waves(&model, step);
        model = optimizer.step(LEARNING_RATE, model, gradients);
        expect_same("held", &numbers(&held, None), &held_numbers);
        let gradients = waves(&held, step);
        let once_more = held_optimizer.step(LEARNING_RATE, held, gradients);
        expect_same("once more", &numbers(&once_more, None), &numbers(&model, None));

        let gradients = waves(&model_of_burn, step);
        model_of_burn = optimizer_of_burn.step(LEARNING_RATE, model_of_burn, gradients);
        expect_same(&format!("step {step}"), &numbers(&model, None), &numbers(&model_of_burn, None));
    }
    expect_same("at the start", &numbers(&start, None), &at_start);
    assert_ne!(numbers(&model, None), at_start, "four steps moved nothing");
}

#[test]
fn gradients_are_clipped_as_by_burns_operations() {
    let model = block();
    let held = waves(&model, 0);
    let before = numbers(&model, Some(&held));
    let norm = before.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    for max_norm in [norm / 3.0, 2.0 * norm] {
        let mut shared = GradientsParams::new();
        model.visit(&mut Share { from: &held, to: &mut shared });
        let (clipped, found) = clip_grad_norm(&model, shared, max_norm);
        let (expected, expected_norm) = composed(|| clip_grad_norm(&model, waves(&model, 0), max_norm));
        assert!((found / norm - 1.0).abs() < 1e-5, "norm {found}, of f64 {norm}");
        assert!((expected_norm / norm - 1.0).abs() < 1e-5, "composed norm {expected_norm}, of f64 {norm}");
        let clipped = numbers(&model, Some(&clipped));
        expect_same("clipped", &clipped, &numbers(&model, Some(&expected)));
        let after = clipped.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        assert!((after / norm.min(max_norm) - 1.0).abs() < 1e-5, "norm {after} after clipping to {max_norm}");
        expect_same("held", &numbers(&model, Some(&held)), &before);
    }
}

/// The same gradients, held twice.
struct Share<'a> {
    from: &'a GradientsParams,
    to: &'a mut GradientsParams,
}

impl ModuleVisitor for Share<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.from.get::<D>(param.id) {
            self.to.register(param.id, grad);
        }
    }
}
