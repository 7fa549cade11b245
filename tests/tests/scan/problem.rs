//! Seeded random operands as tensors.

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use burn_rsmamba::{Directions, ScanOptions, omni_selective_scan, scan::reference, selective_scan_with_state};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// Named operand: its shape and values.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Operand {
    pub(crate) fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape.clone()), device)
    }
}

fn operand(rng: &mut ChaCha8Rng, name: &'static str, shape: &[usize], low: f32, high: f32) -> Operand {
    let values = (0..shape.iter().product()).map(|_| rng.random_range(low..high)).collect();
    Operand { name, shape: shape.to_vec(), values }
}

/// Which options a case turns on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) softplus: bool,
    pub(crate) skip: bool,
    pub(crate) bias: bool,
}

pub(crate) const ALL_ON: Case = Case { softplus: true, skip: true, bias: true };

/// Sizes of a plain problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainShape {
    pub(crate) batch: usize,
    pub(crate) groups: usize,
    pub(crate) channels: usize,
    pub(crate) states: usize,
    pub(crate) length: usize,
}

/// `u delta a b c [skip] [delta_bias]`, and the weights of the loss.
pub(crate) fn plain(shape: PlainShape, case: Case, seed: u64) -> (Vec<Operand>, Operand) {
    let PlainShape { batch, groups, channels, states, length } = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rng = &mut rng;
    let all = groups * channels;
    let (low, high) = if case.softplus { (-3.0, 1.0) } else { (0.01, 0.5) };
    let mut operands = vec![
        operand(rng, "u", &[batch, all, length], -1.0, 1.0),
        operand(rng, "delta", &[batch, all, length], low, high),
        operand(rng, "a", &[all, states], -3.0, -0.05),
        operand(rng, "b", &[batch, groups, states, length], -1.0, 1.0),
        operand(rng, "c", &[batch, groups, states, length], -1.0, 1.0),
    ];
    let skip = operand(rng, "skip", &[all], -1.0, 1.0);
    let bias = operand(rng, "delta_bias", &[all], 0.0, 0.2);
    operands.extend(case.skip.then_some(skip));
    operands.extend(case.bias.then_some(bias));
    let weights = operand(rng, "dy", &[batch, all, length], -1.0, 1.0);
    (operands, weights)
}

/// Sizes of an omnidirectional problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OmniShape {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) states: usize,
    pub(crate) rank: usize,
    pub(crate) directions: Directions,
}

/// `u projection dt_weight a [skip] [delta_bias]`, and the weights of the loss.
pub(crate) fn omni(shape: OmniShape, case: Case, seed: u64) -> (Vec<Operand>, Operand) {
    let OmniShape { batch, height, width, channels, states, rank, directions } = shape;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rng = &mut rng;
    let k = directions.count();
    // without softplus the step has to stay positive
    let low = if case.softplus { -1.0 } else { 0.0 };
    let mut operands = vec![
        operand(rng, "u", &[batch, height, width, channels], -1.0, 1.0),
        operand(rng, "projection", &[batch, height, width, k, rank + 2 * states], low, 1.0),
        operand(rng, "dt_weight", &[k, channels, rank], low / 2.0, 0.5),
        operand(rng, "a", &[k * channels, states], -3.0, -0.05),
    ];
    let skip = operand(rng, "skip", &[k * channels], -1.0, 1.0);
    let bias = operand(rng, "delta_bias", &[k * channels], 0.0, 0.2);
    operands.extend(case.skip.then_some(skip));
    operands.extend(case.bias.then_some(bias));
    let weights = operand(rng, "dy", &[batch, height, width, channels], -1.0, 1.0);
    (operands, weights)
}

/// Which implementation to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// The op.
    Op,
    /// The composed reference.
    Composed,
}

/// Output and gradients of `sum(dy * y)`.
pub(crate) struct Run {
    pub(crate) y: Vec<f32>,
    pub(crate) last_state: Option<Vec<f32>>,
    pub(crate) gradients: Vec<(&'static str, Vec<f32>)>,
}

/// Runs the plain form on an autodiff device; operands in `tracked` require gradients.
pub(crate) fn run_plain(
    implementation: Implementation,
    operands: &[Operand],
    dy: &Operand,
    softplus: bool,
    device: &Device,
    tracked: &dyn Fn(&str) -> bool,
) -> Run {
    let find = |name: &str| operands.iter().find(|operand| operand.name == name);
    let track = |name| find(name).is_some() && tracked(name);
    let load3 = |name| mark(find(name).expect("a required operand").tensor::<3>(device), track(name));
    let load4 = |name| mark(find(name).expect("a required operand").tensor::<4>(device), track(name));
    let load1 = |name| find(name).map(|operand| mark(operand.tensor::<1>(device), track(name)));
    let (u, delta) = (load3("u"), load3("delta"));
    let a = mark(find("a").expect("a required operand").tensor::<2>(device), track("a"));
    let (b, c) = (load4("b"), load4("c"));
    let (skip, bias) = (load1("skip"), load1("delta_bias"));
    let scan = match implementation {
        Implementation::Op => selective_scan_with_state,
        Implementation::Composed => reference::selective_scan_with_state,
    };
    let (y, last_state) = scan(
        u.clone(),
        delta.clone(),
        a.clone(),
        b.clone(),
        c.clone(),
        skip.clone(),
        bias.clone(),
        ScanOptions { delta_softplus: softplus },
    );
    let loss = (y.clone() * dy.tensor::<3>(device)).sum();
    let grads = operands.iter().any(|operand| tracked(operand.name)).then(|| loss.backward());
    let mut gradients = Vec::new();
    let mut push = |name, gradient: Option<Vec<f32>>| gradients.extend(gradient.map(|gradient| (name, gradient)));
    if let Some(grads) = &grads {
        push("u", u.grad(grads).map(values));
        push("delta", delta.grad(grads).map(values));
        push("a", a.grad(grads).map(values));
        push("b", b.grad(grads).map(values));
        push("c", c.grad(grads).map(values));
        push("skip", skip.and_then(|skip| skip.grad(grads)).map(values));
        push("delta_bias", bias.and_then(|bias| bias.grad(grads)).map(values));
    }
    Run { y: values(y), last_state: Some(values(last_state)), gradients }
}

/// Runs the omnidirectional form on an autodiff device.
pub(crate) fn run_omni(
    implementation: Implementation,
    operands: &[Operand],
    dy: &Operand,
    directions: Directions,
    softplus: bool,
    device: &Device,
) -> Run {
    let find = |name: &str| operands.iter().find(|operand| operand.name == name);
    let required = |name| find(name).expect("a required operand");
    let u = required("u").tensor::<4>(device).require_grad();
    let projection = required("projection").tensor::<5>(device).require_grad();
    let dt_weight = required("dt_weight").tensor::<3>(device).require_grad();
    let a = required("a").tensor::<2>(device).require_grad();
    let skip = find("skip").map(|operand| operand.tensor::<1>(device).require_grad());
    let bias = find("delta_bias").map(|operand| operand.tensor::<1>(device).require_grad());
    let scan = match implementation {
        Implementation::Op => omni_selective_scan,
        Implementation::Composed => reference::omni_selective_scan,
    };
    let options = ScanOptions { delta_softplus: softplus };
    let y = scan(
        u.clone(),
        projection.clone(),
        dt_weight.clone(),
        a.clone(),
        skip.clone(),
        bias.clone(),
        directions,
        options,
    );
    let grads = (y.clone() * dy.tensor::<4>(device)).sum().backward();
    let mut gradients = Vec::new();
    let mut push = |name, gradient: Option<Vec<f32>>| gradients.extend(gradient.map(|gradient| (name, gradient)));
    push("u", u.grad(&grads).map(values));
    push("projection", projection.grad(&grads).map(values));
    push("dt_weight", dt_weight.grad(&grads).map(values));
    push("a", a.grad(&grads).map(values));
    push("skip", skip.and_then(|skip| skip.grad(&grads)).map(values));
    push("delta_bias", bias.and_then(|bias| bias.grad(&grads)).map(values));
    Run { y: values(y), last_state: None, gradients }
}

fn mark<const D: usize>(tensor: Tensor<D>, tracked: bool) -> Tensor<D> {
    if tracked { tensor.require_grad() } else { tensor }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    burn_rsmamba_tests::compare::values(tensor)
}
