//! What callers may rely on beside the numbers.

use super::{
    device::{client, download, upload},
    problem::{ALL_ON, Omni, Plain, omni_shape},
};
use burn_rsmamba_kernels::{
    OmniNeeds, ScanError, ScanNeeds, ScanShape,
    gpu::{self, GpuOmniGradients, GpuScanGradients, ScanStrategy},
};
use cubecl::{
    client::Client,
    ir::{ElemType, FloatKind},
    server::Handle,
};

const SHAPE: ScanShape = ScanShape { batch: 1, groups: 2, channels: 9, states: 4, length: 37 };
const CHUNKS: ScanStrategy = ScanStrategy::Chunked { length: 8 };

/// Gradients in the order of [`ScanNeeds`], as bits: NaN equals itself there.
fn plain_bits(client: &Client, gradients: GpuScanGradients) -> Vec<Option<Vec<u32>>> {
    let GpuScanGradients { u, delta, a, b, c, skip, delta_bias } = gradients;
    bits(client, [u, delta, a, b, c, skip, delta_bias])
}

fn omni_bits(client: &Client, gradients: GpuOmniGradients) -> Vec<Option<Vec<u32>>> {
    let GpuOmniGradients { u, projection, dt_weight, a, skip, delta_bias } = gradients;
    bits(client, [u, projection, dt_weight, a, skip, delta_bias])
}

fn bits<const N: usize>(client: &Client, handles: [Option<Handle>; N]) -> Vec<Option<Vec<u32>>> {
    let values = |handle| download(client, handle).into_iter().map(f32::to_bits).collect();
    handles.into_iter().map(|handle| handle.map(values)).collect()
}

#[test]
fn plain_gradients_are_the_same_alone_and_from_run_to_run() {
    let Some(client) = client() else { return };
    let problem = Plain::random(SHAPE, ALL_ON, 5).to_f32();
    let (inputs, dy) = (problem.upload(&client), upload(&client, &problem.dy));
    let run = |needs| {
        let gradients = gpu::selective_scan_backward(&client, SHAPE, &inputs, &dy, needs, CHUNKS).expect("launched");
        plain_bits(&client, gradients)
    };
    let all = run(ScanNeeds::ALL);
    assert!(all.iter().all(Option::is_some));
    assert_eq!(run(ScanNeeds::ALL), all);
    for only in 0..all.len() {
        let [u, delta, a, b, c, skip, delta_bias] = std::array::from_fn(|index| index == only);
        let alone = run(ScanNeeds { u, delta, a, b, c, skip, delta_bias });
        for (index, gradient) in alone.iter().enumerate() {
            assert_eq!(
                gradient.as_ref(),
                all[index].as_ref().filter(|_| index == only),
                "{index} where {only} is wanted"
            );
        }
    }
    let none = std::array::from_fn::<bool, 7, _>(|_| false);
    let [u, delta, a, b, c, skip, delta_bias] = none;
    assert!(run(ScanNeeds { u, delta, a, b, c, skip, delta_bias }).iter().all(Option::is_none));
}

/// The bits of the gradients of a small map, by what is wanted.
fn omni_gradients(client: &Client) -> impl Fn(OmniNeeds) -> Vec<Option<Vec<u32>>> {
    let shape = omni_shape(1, 5, 9, 7, 3);
    let problem = Omni::random(shape, ALL_ON, 5).to_f32();
    let (inputs, dy) = (problem.upload(client), upload(client, &problem.dy));
    move |needs| {
        let gradients =
            gpu::omni_selective_scan_backward(client, shape, &inputs, &dy, needs, CHUNKS).expect("launched");
        omni_bits(client, gradients)
    }
}

#[test]
fn omni_gradients_repeat_bit_by_bit() {
    let Some(client) = client() else { return };
    let run = omni_gradients(&client);
    assert_eq!(run(OmniNeeds::ALL), run(OmniNeeds::ALL));
}

#[test]
fn omni_gradients_are_the_same_alone() {
    let Some(client) = client() else { return };
    let run = omni_gradients(&client);
    let all = run(OmniNeeds::ALL);
    assert!(all.iter().all(Option::is_some));
    for only in 0..all.len() {
        let [u, projection, dt_weight, a, skip, delta_bias] = std::array::from_fn(|index| index == only);
        let alone = run(OmniNeeds { u, projection, dt_weight, a, skip, delta_bias });
        for (index, gradient) in alone.iter().enumerate() {
            assert_eq!(
                gradient.as_ref(),
                all[index].as_ref().filter(|_| index == only),
                "{index} where {only} is wanted"
            );
        }
    }
}

#[test]
fn huge_and_tiny_steps_stay_finite() {
    let Some(client) = client() else { return };
    for step in [-1e4, -90.0, -30.0, 25.0, 200.0, 1e4] {
        let mut problem = Plain::random(SHAPE, ALL_ON, 3).to_f32();
        problem.delta.fill(step);
        let (inputs, dy) = (problem.upload(&client), upload(&client, &problem.dy));
        let (y, last_state) = gpu::selective_scan(&client, SHAPE, &inputs, CHUNKS).expect("launched");
        let gradients =
            gpu::selective_scan_backward(&client, SHAPE, &inputs, &dy, ScanNeeds::ALL, CHUNKS).expect("launched");
        let GpuScanGradients { u, delta, a, b, c, skip, delta_bias } = gradients;
        let outputs = [Some(y), Some(last_state), u, delta, a, b, c, skip, delta_bias];
        for (index, output) in outputs.into_iter().enumerate() {
            let values = download(&client, output.expect("asked for"));
            assert!(values.iter().all(|value| value.is_finite()), "step {step}, output {index}");
        }
    }
}

#[test]
fn a_nan_input_is_not_swallowed() {
    let Some(client) = client() else { return };
    let shape = ScanShape { batch: 1, groups: 1, channels: 1, states: 2, length: 4 };
    for broken in 0..2 {
        let mut problem = Plain::random(shape, ALL_ON, 3).to_f32();
        [&mut problem.u, &mut problem.delta][broken][2] = f32::NAN;
        let (y, _) = gpu::selective_scan(&client, shape, &problem.upload(&client), CHUNKS).expect("launched");
        let y = download(&client, y);
        assert!(!y[1].is_nan() && y[2].is_nan() && y[3].is_nan(), "input {broken}: {y:?}");
    }
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let Some(client) = client() else { return };
    let problem = Plain::random(SHAPE, ALL_ON, 3).to_f32();
    let inputs = problem.upload(&client);
    let longer = ScanShape { length: SHAPE.length + 1, ..SHAPE };
    let error = gpu::selective_scan(&client, longer, &inputs, CHUNKS).expect_err("buffers are too short");
    assert!(matches!(error, ScanError::Length { argument: "u", expected: 684, actual: 666, .. }), "{error}");
    let empty = ScanShape { states: 0, ..SHAPE };
    let error = gpu::selective_scan(&client, empty, &inputs, CHUNKS).expect_err("no states");
    assert!(matches!(error, ScanError::Empty { dimension: "states", .. }), "{error}");
    let double = gpu::GpuScanInputs { element: ElemType::Float(FloatKind::F64), ..inputs };
    let error = gpu::selective_scan(&client, SHAPE, &double, CHUNKS).expect_err("f64");
    assert!(matches!(error, ScanError::Element { .. }), "{error}");
    // More terms a channel than any device's shared memory holds twice.
    let wide = ScanShape { batch: 1, groups: 1, channels: 1, states: 40_000, length: 1 };
    let problem = Plain::random(wide, ALL_ON, 3).to_f32();
    let dy = upload(&client, &problem.dy);
    let inputs = problem.upload(&client);
    let error = gpu::selective_scan_backward(&client, wide, &inputs, &dy, ScanNeeds::ALL, CHUNKS).expect_err("wide");
    assert!(matches!(error, ScanError::DeviceLimit { resource: "shared memory in bytes", .. }), "{error}");
}
