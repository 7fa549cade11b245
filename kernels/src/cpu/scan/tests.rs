//! The scan on every instruction set of this machine; `kernels/tests` covers the best one.

use super::omni::{backward_of, forward};
use crate::cpu::lanes::tests::levels;
use crate::definition::{Directions, OmniInputs, OmniNeeds, OmniShape};
use crate::reference;

/// Values that f32 holds exactly, in [from, to].
fn values(seed: &mut u64, len: usize, from: f32, to: f32) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + (to - from) * ((*seed >> 40) as f32 / (1u64 << 24) as f32)
    };
    (0..len).map(|_| next()).collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn assert_close(name: &str, actual: &[f32], expected: &[f64]) {
    let scale = expected.iter().fold(1e-6f64, |max, value| max.max(value.abs()));
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(error <= 1e-5 * scale, "{name}[{index}]: got {actual}, expected {expected} (scale {scale:.3e})");
    }
}

fn check(shape: OmniShape) {
    let mut seed = 3;
    let channels = shape.all_channels();
    let u = values(&mut seed, shape.map_len(), -1.0, 1.0);
    let rows = shape.pixels() * shape.directions.count() * shape.row() * shape.batch;
    let projection = values(&mut seed, rows, -1.0, 1.0);
    let dt_weight = values(&mut seed, channels * shape.rank, -0.5, 0.5);
    let a = values(&mut seed, channels * shape.states, -4.0, -0.05);
    let (skip, bias) = (values(&mut seed, channels, -1.0, 1.0), values(&mut seed, channels, -2.0, 0.0));
    let dy = values(&mut seed, shape.map_len(), -1.0, 1.0);
    let inputs = OmniInputs {
        u: &u,
        projection: &projection,
        dt_weight: &dt_weight,
        a: &a,
        skip: Some(&skip),
        delta_bias: Some(&bias),
        delta_softplus: true,
    };
    let wides = [&u, &projection, &dt_weight, &a, &skip, &bias, &dy].map(|values| wide(values));
    let [wide_u, wide_projection, wide_weight, wide_a, wide_skip, wide_bias, wide_dy] = &wides;
    let truth = OmniInputs {
        u: &wide_u[..],
        projection: wide_projection,
        dt_weight: wide_weight,
        a: wide_a,
        skip: Some(&wide_skip[..]),
        delta_bias: Some(&wide_bias[..]),
        delta_softplus: true,
    };
    let y_ref = reference::omni_selective_scan(shape, &truth).expect("shapes fit");
    let want = reference::omni_selective_scan_backward(shape, &truth, wide_dy, OmniNeeds::ALL).expect("shapes fit");
    for arch in levels() {
        let name = |what: &str| format!("{arch:?} {shape:?} {what}");
        assert_close(&name("y"), &forward(arch, shape, &inputs).expect("shapes fit"), &y_ref);
        let got = backward_of(arch, shape, &inputs, None, &dy, OmniNeeds::ALL).expect("shapes fit");
        for (what, got, want) in [
            ("du", &got.u, &want.u),
            ("dprojection", &got.projection, &want.projection),
            ("ddt_weight", &got.dt_weight, &want.dt_weight),
            ("da", &got.a, &want.a),
            ("dskip", &got.skip, &want.skip),
            ("ddelta_bias", &got.delta_bias, &want.delta_bias),
        ] {
            assert_close(&name(what), got.as_ref().expect("wanted"), want.as_ref().expect("wanted"));
        }
    }
}

#[test]
fn every_instruction_set_matches_the_reference() {
    let shape =
        OmniShape { batch: 1, height: 5, width: 9, channels: 19, states: 16, rank: 13, directions: Directions::Eight };
    for states in [1, 3, 16, 17, 64] {
        check(OmniShape { states, ..shape });
    }
    // one pixel; a full register beside a part of one; exactly full ones
    for (side, channels) in [(1, 5), (6, 33), (6, 64)] {
        check(OmniShape { height: side, width: side, channels, batch: 2, ..shape });
    }
}
