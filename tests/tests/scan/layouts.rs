//! Views, partial gradients, extreme steps.

use super::problem::{ALL_ON, Implementation, OmniShape, PlainShape, omni, plain, run_plain};
use burn::{
    Tensor,
    tensor::{Device, Distribution},
};
use burn_rsmamba::{Directions, ScanOptions, omni_selective_scan, selective_scan};
use burn_rsmamba_tests::{
    autodiff_devices,
    compare::{Failures, values},
    device, flex,
};

const OPTIONS: ScanOptions = ScanOptions { delta_softplus: true };

/// The same values as `tensor`, in a permuted, flipped and offset buffer.
fn scattered<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let mut axes: [isize; D] = std::array::from_fn(|axis| axis as isize);
    axes.reverse();
    let last = D as isize - 1;
    let longer = Tensor::cat(vec![tensor.clone(), tensor.clone()], D - 1);
    let kept = longer.narrow(D - 1, tensor.dims()[D - 1], tensor.dims()[D - 1]);
    // stored transposed, viewed back
    let stored = kept.permute(axes);
    let stored = stored.clone() + Tensor::zeros(stored.dims(), &stored.device());
    stored.permute(axes).flip([last]).flip([last])
}

#[test]
fn views_give_the_same_values_and_gradients_as_contiguous_tensors() {
    let shape = PlainShape { batch: 2, groups: 2, channels: 3, states: 4, length: 21 };
    let (operands, dy) = plain(shape, ALL_ON, 3);
    let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
    for (mode, device) in autodiff_devices() {
        let u = find("u").tensor::<3>(&device).require_grad();
        let delta = find("delta").tensor::<3>(&device).require_grad();
        let b = find("b").tensor::<4>(&device).require_grad();
        let run = |view: bool| {
            let pass3 = |tensor: &Tensor<3>| if view { scattered(tensor.clone()) } else { tensor.clone() };
            let pass4 = |tensor: Tensor<4>| if view { scattered(tensor) } else { tensor };
            let a = find("a").tensor::<2>(&device);
            let y = selective_scan(
                pass3(&u),
                pass3(&delta),
                if view { scattered(a) } else { a },
                pass4(b.clone()),
                pass4(find("c").tensor(&device)),
                Some(find("skip").tensor(&device)),
                None,
                OPTIONS,
            );
            let weights = dy.tensor::<3>(&device);
            let weights = if view { scattered(weights) } else { weights };
            let grads = (y.clone() * weights).sum().backward();
            let gradients = [u.grad(&grads), delta.grad(&grads)].map(|g| values(g.expect("tracked")));
            (values(y), gradients, values(b.grad(&grads).expect("tracked")))
        };
        assert_eq!(run(true), run(false), "{mode}");
    }
}

#[test]
fn omni_views_give_the_same_values_as_contiguous_tensors() {
    let directions = Directions::Eight;
    let shape = OmniShape { batch: 2, height: 4, width: 5, channels: 3, states: 2, rank: 2, directions };
    let (operands, _) = omni(shape, ALL_ON, 9);
    let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
    let run = |view: bool| {
        let u = find("u").tensor::<4>(&device());
        let projection = find("projection").tensor::<5>(&device());
        let dt_weight = find("dt_weight").tensor::<3>(&device());
        values(omni_selective_scan(
            if view { scattered(u) } else { u },
            if view { scattered(projection) } else { projection },
            if view { scattered(dt_weight) } else { dt_weight },
            find("a").tensor(&device()),
            None,
            None,
            directions,
            OPTIONS,
        ))
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn gradients_are_the_same_whichever_inputs_are_tracked() {
    let shape = PlainShape { batch: 1, groups: 2, channels: 3, states: 4, length: 40 };
    let (operands, dy) = plain(shape, ALL_ON, 4);
    let mut failures = Failures::default();
    for (mode, device) in autodiff_devices() {
        let run = |tracked: &dyn Fn(&str) -> bool| {
            run_plain(Implementation::Op, &operands, &dy, true, &device, tracked).gradients
        };
        let all = run(&|_| true);
        for operand in &operands {
            let alone = run(&|name| name == operand.name);
            assert_eq!(alone.len(), 1, "{mode}: only {} is tracked", operand.name);
            let expected = all.iter().find(|(name, _)| *name == operand.name).expect("tracked with all");
            let label = format!("{mode}: {}", operand.name);
            if device.clone().inner() == flex() {
                assert_eq!(&alone[0], expected, "{label}");
            } else {
                // A GPU compiles a kernel for each set of gradients, and contracts its sums and products in its own way.
                failures.relative(&label, &alone[0].1, &expected.1, 2e-6);
            }
        }
    }
    failures.finish();
}

#[test]
fn an_input_from_the_plain_device_is_a_constant() {
    let shape = PlainShape { batch: 1, groups: 1, channels: 2, states: 2, length: 8 };
    let (operands, dy) = plain(shape, ALL_ON, 14);
    let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
    let autodiff = device().autodiff();
    let gradient = |others: &Device| {
        let u = find("u").tensor::<3>(&autodiff).require_grad();
        let y = selective_scan(
            u.clone(),
            find("delta").tensor(others),
            find("a").tensor(others),
            find("b").tensor(others),
            find("c").tensor(others),
            None,
            None,
            OPTIONS,
        );
        let grads = (y * dy.tensor::<3>(&autodiff)).sum().backward();
        values(u.grad(&grads).expect("tracked"))
    };
    assert_eq!(gradient(&device()), gradient(&autodiff));
}

#[test]
fn gradients_flow_through_a_graph_around_the_scan() {
    // y = scan(2 u): du must be twice the gradient at 2 u
    let shape = PlainShape { batch: 1, groups: 1, channels: 2, states: 2, length: 8 };
    let (operands, _) = plain(shape, ALL_ON, 6);
    let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
    let scan = |u: Tensor<3>, device: &Device| {
        selective_scan(
            u,
            find("delta").tensor(device),
            find("a").tensor(device),
            find("b").tensor(device),
            find("c").tensor(device),
            None,
            None,
            OPTIONS,
        )
    };
    for (mode, device) in autodiff_devices() {
        let u = find("u").tensor::<3>(&device).require_grad();
        let grads = scan(u.clone() * 2.0, &device).exp().sum().backward();
        let outer = values(u.grad(&grads).expect("tracked"));
        let doubled = (find("u").tensor::<3>(&device) * 2.0).detach().require_grad();
        let grads = scan(doubled.clone(), &device).exp().sum().backward();
        let inner: Vec<f32> = values(doubled.grad(&grads).expect("tracked")).iter().map(|g| 2.0 * g).collect();
        assert_eq!(outer, inner, "{mode}");
    }
}

#[test]
fn huge_and_tiny_steps_keep_values_and_gradients_finite() {
    let shape = PlainShape { batch: 1, groups: 1, channels: 4, states: 4, length: 40 };
    for step in [-1e4, -100.0, -30.0, 0.0, 19.9, 20.1, 100.0, 1e4] {
        let (mut operands, dy) = plain(shape, ALL_ON, 8);
        operands[1].values.fill(step);
        let device = device().autodiff();
        let run = run_plain(Implementation::Op, &operands, &dy, true, &device, &|_| true);
        let all = run.gradients.iter().map(|(_, gradient)| gradient).chain([&run.y]);
        assert!(all.flatten().all(|value| value.is_finite()), "step {step}");
    }
}

#[test]
fn analytic_cases() {
    let device = device();
    let length = 12;
    let u = Tensor::<3>::random([1, 3, length], Distribution::Uniform(-1.0, 1.0), &device);
    let ones = |shape: [usize; 4]| Tensor::<4>::ones(shape, &device);
    let scan = |delta: f32, a: f32, skip: Option<f32>| {
        values(selective_scan(
            u.clone(),
            Tensor::full([1, 3, length], delta, &device),
            Tensor::full([3, 2], a, &device),
            ones([1, 1, 2, length]),
            ones([1, 1, 2, length]),
            skip.map(|skip| Tensor::full([3], skip, &device)),
            None,
            ScanOptions { delta_softplus: false },
        ))
    };
    let input = values(u.clone());
    // no step: only the skip connection is left
    assert_eq!(scan(0.0, -1.0, Some(1.0)), input);
    // no decay and a step of one: twice (two states) the running sum
    let mut sums = Vec::new();
    for row in input.chunks_exact(length) {
        let mut sum = 0.0;
        sums.extend(row.iter().map(|value| {
            sum += value;
            2.0 * sum
        }));
    }
    let got = scan(1.0, 0.0, None);
    assert!(got.iter().zip(&sums).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?} {sums:?}");
}
