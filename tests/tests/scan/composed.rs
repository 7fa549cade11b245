//! The op against the composed reference under Burn's own autodiff, which runs on Flex: its long graphs take minutes on a
//! software GPU.

use super::problem::{ALL_ON, Case, Implementation, OmniShape, Operand, PlainShape, omni, plain, run_omni, run_plain};
use burn_rsmamba::Directions;
use burn_rsmamba_tests::{autodiff, autodiff_devices, compare::Failures, flex};

const TOLERANCE: f32 = 2e-5;

fn every_case() -> impl Iterator<Item = Case> {
    (0..8).map(|bits| Case { softplus: bits & 1 != 0, skip: bits & 2 != 0, bias: bits & 4 != 0 })
}

fn check_plain(shape: PlainShape, case: Case, failures: &mut Failures) {
    let (operands, dy) = plain(shape, case, 17);
    for ((mode, device), (_, cpu)) in autodiff_devices().into_iter().zip(autodiff(&flex())) {
        let run = |implementation, device| run_plain(implementation, &operands, &dy, case.softplus, device, &|_| true);
        let (op, composed) = (run(Implementation::Op, &device), run(Implementation::Composed, &cpu));
        let label = |what: &str| format!("{shape:?} {case:?} ({mode}) {what}");
        failures.relative(&label("y"), &op.y, &composed.y, TOLERANCE);
        compare_gradients(op.gradients, composed.gradients, &operands, label, failures);
    }
}

fn compare_gradients(
    op: Vec<(&'static str, Vec<f32>)>,
    composed: Vec<(&'static str, Vec<f32>)>,
    operands: &[Operand],
    label: impl Fn(&str) -> String,
    failures: &mut Failures,
) {
    assert_eq!(op.len(), operands.len(), "{}", label("one gradient an operand"));
    for ((name, op), (other, composed)) in op.into_iter().zip(composed) {
        assert_eq!(name, other, "{}", label("order of gradients"));
        failures.relative(&label(&format!("d{name}")), &op, &composed, TOLERANCE);
    }
}

#[test]
fn plain_op_agrees_with_the_composed_body_for_every_option() {
    let mut failures = Failures::default();
    for case in every_case() {
        let shape = PlainShape { batch: 2, groups: 2, channels: 5, states: 4, length: 19 };
        check_plain(shape, case, &mut failures);
    }
    failures.finish();
}

#[test]
fn plain_op_agrees_with_the_composed_body_for_every_size() {
    let mut failures = Failures::default();
    for states in [1, 4, 8, 16, 64] {
        for (length, groups) in [(1, 1), (33, 3), (70, 8)] {
            let shape = PlainShape { batch: 1, groups, channels: 3, states, length };
            check_plain(shape, ALL_ON, &mut failures);
        }
    }
    failures.finish();
}

#[test]
fn omni_op_agrees_with_the_composed_body() {
    let mut failures = Failures::default();
    let sets = [Directions::Eight, Directions::Four, Directions::Two, Directions::One];
    for (directions, case) in sets.into_iter().zip([ALL_ON; 4]).chain(every_case().map(|c| (Directions::Eight, c))) {
        for (height, width) in [(5, 3), (2, 7), (1, 1)] {
            let shape = OmniShape { batch: 2, height, width, channels: 5, states: 3, rank: 2, directions };
            let (operands, dy) = omni(shape, case, 23);
            for ((mode, device), (_, cpu)) in autodiff_devices().into_iter().zip(autodiff(&flex())) {
                let run = |implementation, device| {
                    run_omni(implementation, &operands, &dy, directions, case.softplus, device)
                };
                let (op, composed) = (run(Implementation::Op, &device), run(Implementation::Composed, &cpu));
                let label = |what: &str| format!("{shape:?} {case:?} ({mode}) {what}");
                failures.relative(&label("y"), &op.y, &composed.y, TOLERANCE);
                compare_gradients(op.gradients, composed.gradients, &operands, label, &mut failures);
            }
        }
    }
    failures.finish();
}

/// The traits' default bodies, which no listed backend uses in f32, on the device under test against its own.
#[test]
fn the_default_backward_bodies_agree_with_the_native_ones() {
    use burn::{Tensor, backend::Dispatch, tensor::Device};
    use burn_rsmamba::scan::{
        OmniGradientTensors, OmniTensors, OptionalTensor, ScanGradientTensors, ScanTensors, SelectiveScanBackward,
        default_backward,
    };
    use burn_rsmamba_kernels::{OmniNeeds, ScanNeeds};
    use burn_rsmamba_tests::{
        compare::{values, with_products},
        device,
    };

    fn read(tensor: OptionalTensor<Dispatch>) -> Option<(Vec<usize>, Vec<f32>)> {
        tensor.into_option().map(|tensor| {
            use burn::backend::TensorMetadata;
            let shape: Vec<usize> = tensor.shape().iter().copied().collect();
            let flat = Tensor::<1>::from_dispatch({
                use burn::backend::ops::FloatTensorOps;
                Dispatch::float_reshape(tensor, [shape.iter().product::<usize>()].into())
            });
            (shape, values(flat))
        })
    }
    fn get<const D: usize>(
        operands: &[Operand],
        name: &str,
        device: &Device,
    ) -> burn::backend::tensor::FloatTensor<Dispatch> {
        operands.iter().find(|operand| operand.name == name).expect("an operand").tensor::<D>(device).into_dispatch()
    }
    let device = device();
    let mut failures = Failures::default();

    let shape = PlainShape { batch: 2, groups: 2, channels: 3, states: 4, length: 130 };
    let (operands, dy) = plain(shape, ALL_ON, 5);
    let inputs = || ScanTensors::<Dispatch> {
        u: get::<3>(&operands, "u", &device),
        delta: get::<3>(&operands, "delta", &device),
        a: get::<2>(&operands, "a", &device),
        b: get::<4>(&operands, "b", &device),
        c: get::<4>(&operands, "c", &device),
        skip: OptionalTensor::Present(get::<1>(&operands, "skip", &device)),
        delta_bias: OptionalTensor::Present(get::<1>(&operands, "delta_bias", &device)),
    };
    let dy = || dy.tensor::<3>(&device).into_dispatch();
    let native = Dispatch::selective_scan_backward(inputs(), dy(), true, ScanNeeds::ALL);
    let default = default_backward::selective_scan_backward::<Dispatch>(inputs(), dy(), true, ScanNeeds::ALL);
    let all = |g: ScanGradientTensors<Dispatch>| {
        [g.u, g.delta, g.a, g.b, g.c, g.skip, g.delta_bias].map(|gradient| read(gradient).expect("asked for"))
    };
    for (index, (native, default)) in all(native).into_iter().zip(all(default)).enumerate() {
        assert_eq!(native.0, default.0, "shape of gradient {index}");
        failures.relative(&format!("plain gradient {index}"), &default.1, &native.1, TOLERANCE);
    }

    let directions = Directions::Eight;
    let shape = OmniShape { batch: 2, height: 4, width: 5, channels: 3, states: 2, rank: 2, directions };
    let (operands, dy) = omni(shape, ALL_ON, 6);
    let inputs = || OmniTensors::<Dispatch> {
        u: get::<4>(&operands, "u", &device),
        projection: get::<5>(&operands, "projection", &device),
        dt_weight: get::<3>(&operands, "dt_weight", &device),
        a: get::<2>(&operands, "a", &device),
        skip: OptionalTensor::Present(get::<1>(&operands, "skip", &device)),
        delta_bias: OptionalTensor::Present(get::<1>(&operands, "delta_bias", &device)),
    };
    let dy = || dy.tensor::<4>(&device).into_dispatch();
    let native = Dispatch::omni_selective_scan_backward(inputs(), dy(), directions, true, OmniNeeds::ALL);
    let default =
        default_backward::omni_selective_scan_backward::<Dispatch>(inputs(), dy(), directions, true, OmniNeeds::ALL);
    let all = |g: OmniGradientTensors<Dispatch>| {
        [g.u, g.projection, g.dt_weight, g.a, g.skip, g.delta_bias].map(|gradient| read(gradient).expect("asked for"))
    };
    for (index, (native, default)) in all(native).into_iter().zip(all(default)).enumerate() {
        assert_eq!(native.0, default.0, "shape of gradient {index}");
        failures.relative(&format!("omni gradient {index}"), &default.1, &native.1, with_products(TOLERANCE));
    }
    failures.finish();
}
