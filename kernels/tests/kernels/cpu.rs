use super::problem::{ALL_ON, Omni, Options, Plain, assert_none, compare, every_option, omni_shape};
use burn_rsmamba_kernels::{Directions, OmniGradients, OmniNeeds, OmniShape, ScanNeeds, ScanShape, cpu, reference};

const TOLERANCE: f64 = 1e-5;

fn check_plain(shape: ScanShape, options: Options, failures: &mut Vec<String>) {
    let problem = Plain::random(shape, options, 7);
    let single = problem.to_f32();
    let name = |what: &str| format!("{shape:?} {options:?} {what}");
    let (y, last) = cpu::selective_scan(shape, &single.inputs()).expect("shapes fit");
    let (y_ref, last_ref) = reference::selective_scan(shape, &problem.inputs()).expect("shapes fit");
    compare(&name("y"), &y, &y_ref, TOLERANCE, failures);
    compare(&name("last_state"), &last, &last_ref, TOLERANCE, failures);

    let got = cpu::selective_scan_backward(shape, &single.inputs(), &single.dy, ScanNeeds::ALL).expect("fits");
    let want = reference::selective_scan_backward(shape, &problem.inputs(), &problem.dy, ScanNeeds::ALL).expect("fits");
    for (what, got, want) in [
        ("du", got.u, want.u),
        ("ddelta", got.delta, want.delta),
        ("da", got.a, want.a),
        ("db", got.b, want.b),
        ("dc", got.c, want.c),
        ("dskip", got.skip, want.skip),
        ("ddelta_bias", got.delta_bias, want.delta_bias),
    ] {
        assert_eq!(got.is_some(), want.is_some(), "{}", name(what));
        if let (Some(got), Some(want)) = (got, want) {
            compare(&name(what), &got, &want, TOLERANCE, failures);
        }
    }
}

fn check_omni(shape: OmniShape, options: Options, failures: &mut Vec<String>) {
    let problem = Omni::random(shape, options, 11);
    let single = problem.to_f32();
    let name = |what: &str| format!("{shape:?} {options:?} {what}");
    let y = cpu::omni_selective_scan(shape, &single.inputs()).expect("shapes fit");
    let y_ref = reference::omni_selective_scan(shape, &problem.inputs()).expect("shapes fit");
    compare(&name("y"), &y, &y_ref, TOLERANCE, failures);

    let got = cpu::omni_selective_scan_backward(shape, &single.inputs(), &single.dy, OmniNeeds::ALL).expect("fits");
    let want =
        reference::omni_selective_scan_backward(shape, &problem.inputs(), &problem.dy, OmniNeeds::ALL).expect("fits");
    for (what, got, want) in [
        ("du", got.u, want.u),
        ("dprojection", got.projection, want.projection),
        ("ddt_weight", got.dt_weight, want.dt_weight),
        ("da", got.a, want.a),
        ("dskip", got.skip, want.skip),
        ("ddelta_bias", got.delta_bias, want.delta_bias),
    ] {
        assert_eq!(got.is_some(), want.is_some(), "{}", name(what));
        if let (Some(got), Some(want)) = (got, want) {
            compare(&name(what), &got, &want, TOLERANCE, failures);
        }
    }
}

#[test]
fn plain_scan_matches_the_reference_for_every_state_count_and_length() {
    let mut failures = Vec::new();
    for states in [1, 3, 4, 8, 16, 17, 64] {
        for length in [1, 2, 31, 32, 33, 127] {
            let shape = ScanShape { batch: 2, groups: 2, channels: 5, states, length };
            check_plain(shape, ALL_ON, &mut failures);
        }
    }
    assert_none(&failures);
}

#[test]
fn plain_scan_matches_the_reference_for_every_group_count_and_option() {
    let mut failures = Vec::new();
    for groups in 1..=8 {
        for options in every_option() {
            let shape = ScanShape { batch: 1, groups, channels: 11, states: 3, length: 41 };
            check_plain(shape, options, &mut failures);
        }
    }
    assert_none(&failures);
}

#[test]
fn plain_scan_matches_the_reference_on_a_long_sequence_and_many_channels() {
    let mut failures = Vec::new();
    check_plain(ScanShape { batch: 1, groups: 1, channels: 3, states: 16, length: 4099 }, ALL_ON, &mut failures);
    check_plain(ScanShape { batch: 1, groups: 2, channels: 150, states: 4, length: 40 }, ALL_ON, &mut failures);
    assert_none(&failures);
}

#[test]
fn omni_scan_matches_the_reference_on_every_map_shape() {
    let mut failures = Vec::new();
    for (height, width) in [(1, 1), (1, 9), (9, 1), (5, 8), (8, 5), (6, 6), (7, 13)] {
        for options in every_option() {
            check_omni(omni_shape(2, height, width, 5, 3), options, &mut failures);
        }
    }
    assert_none(&failures);
}

#[test]
fn omni_scan_matches_the_reference_for_every_direction_set_state_count_and_rank() {
    let mut failures = Vec::new();
    for directions in [Directions::Eight, Directions::Four, Directions::Two, Directions::One] {
        for states in [1, 3, 4, 8, 16, 17, 64] {
            for rank in [1, 6] {
                let shape = OmniShape { batch: 1, height: 5, width: 9, channels: 19, states, rank, directions };
                check_omni(shape, ALL_ON, &mut failures);
            }
        }
    }
    // more blocks than segments
    check_omni(omni_shape(1, 6, 7, 150, 4), ALL_ON, &mut failures);
    assert_none(&failures);
}

#[test]
fn huge_and_tiny_steps_stay_finite() {
    let shape = ScanShape { batch: 1, groups: 1, channels: 8, states: 4, length: 64 };
    for step in [-1e4, -90.0, -30.0, 25.0, 200.0, 1e4] {
        let mut problem = Plain::random(shape, ALL_ON, 3);
        problem.delta.iter_mut().for_each(|delta| *delta = step);
        let single = problem.to_f32();
        let (y, last) = cpu::selective_scan(shape, &single.inputs()).expect("shapes fit");
        let (y_ref, _) = reference::selective_scan(shape, &problem.inputs()).expect("shapes fit");
        let mut failures = Vec::new();
        compare(&format!("step {step}"), &y, &y_ref, 1e-5, &mut failures);
        assert_none(&failures);
        let gradients =
            cpu::selective_scan_backward(shape, &single.inputs(), &single.dy, ScanNeeds::ALL).expect("fits");
        let all = [gradients.u, gradients.delta, gradients.a, gradients.b, gradients.c, Some(last)];
        for (index, values) in all.iter().flatten().enumerate() {
            assert!(values.iter().all(|value| value.is_finite()), "step {step}, output {index}");
        }
    }
}

#[test]
fn a_nan_input_is_not_swallowed() {
    let shape = ScanShape { batch: 1, groups: 1, channels: 1, states: 2, length: 4 };
    for broken in 0..2 {
        let mut problem = Plain::random(shape, ALL_ON, 3).to_f32();
        [&mut problem.u, &mut problem.delta][broken][2] = f32::NAN;
        let (y, _) = cpu::selective_scan(shape, &problem.inputs()).expect("shapes fit");
        assert!(!y[1].is_nan() && y[2].is_nan() && y[3].is_nan(), "input {broken}: {y:?}");
    }
}

#[test]
fn only_the_wanted_gradients_are_returned() {
    let shape = ScanShape { batch: 1, groups: 2, channels: 9, states: 4, length: 37 };
    let problem = Plain::random(shape, ALL_ON, 5).to_f32();
    let none = ScanNeeds { u: false, delta: false, a: false, b: false, c: false, skip: false, delta_bias: false };
    let run = |needs| cpu::selective_scan_backward(shape, &problem.inputs(), &problem.dy, needs).expect("fits");
    let all = run(ScanNeeds::ALL);
    let only_c = run(ScanNeeds { c: true, ..none });
    assert_eq!(only_c.c, all.c);
    assert!(only_c.u.is_none() && only_c.delta.is_none() && only_c.a.is_none() && only_c.b.is_none());
    let only_u = run(ScanNeeds { u: true, ..none });
    assert_eq!(only_u.u, all.u);
    assert!(only_u.c.is_none() && only_u.skip.is_none() && only_u.delta_bias.is_none());
}

/// What is not wanted is left out, and what is wanted is the same bit for bit, whatever is left out beside it.
#[test]
fn only_the_wanted_omnidirectional_gradients_are_returned() {
    // few channels, so that the directions are shared out over maps of their own, and many
    for channels in [9, 100] {
        let problem = Omni::random(omni_shape(2, 5, 7, channels, 4), ALL_ON, 5).to_f32();
        let run = |needs| {
            let found = cpu::omni_selective_scan_backward(problem.shape, &problem.inputs(), &problem.dy, needs);
            let OmniGradients { u, projection, dt_weight, a, skip, delta_bias } = found.expect("fits");
            [u, projection, dt_weight, a, skip, delta_bias]
        };
        let all = run(OmniNeeds::ALL);
        for wanted in 0..1 << all.len() {
            let is = |index: usize| wanted >> index & 1 == 1;
            let needs =
                OmniNeeds { u: is(0), projection: is(1), dt_weight: is(2), a: is(3), skip: is(4), delta_bias: is(5) };
            for (index, (found, all)) in run(needs).iter().zip(&all).enumerate() {
                let expected = all.as_ref().filter(|_| is(index));
                assert!(found.as_ref() == expected, "{channels} channels, {needs:?}: gradient {index}");
            }
        }
    }
}

#[test]
fn recorded_states_give_the_same_gradients_bit_for_bit() {
    for (height, width, channels, states) in [(9, 11, 40, 16), (1, 33, 7, 3), (8, 8, 100, 5), (1, 1, 1, 1)] {
        let shape = omni_shape(2, height, width, channels, states);
        let single = Omni::random(shape, ALL_ON, 12).to_f32();
        let (y, checkpoints) = cpu::omni_selective_scan_recorded(shape, &single.inputs()).expect("shapes fit");
        assert_eq!(y, cpu::omni_selective_scan(shape, &single.inputs()).expect("shapes fit"));
        let alone =
            cpu::omni_selective_scan_backward(shape, &single.inputs(), &single.dy, OmniNeeds::ALL).expect("fits");
        let from =
            cpu::omni_selective_scan_backward_from(shape, &single.inputs(), &checkpoints, &single.dy, OmniNeeds::ALL)
                .expect("fits");
        assert_eq!(from.u, alone.u);
        assert_eq!(from.projection, alone.projection);
        assert_eq!(from.dt_weight, alone.dt_weight);
        assert_eq!(from.a, alone.a);
        assert_eq!(from.skip, alone.skip);
        assert_eq!(from.delta_bias, alone.delta_bias);
    }
}

#[test]
#[should_panic(expected = "checkpoints of another scan")]
fn states_of_another_scan_are_refused() {
    let (shape, other) = (omni_shape(1, 8, 8, 20, 4), omni_shape(1, 8, 8, 20, 5));
    let (problem, single) = (Omni::random(other, ALL_ON, 1).to_f32(), Omni::random(shape, ALL_ON, 1).to_f32());
    let (_, checkpoints) = cpu::omni_selective_scan_recorded(other, &problem.inputs()).expect("shapes fit");
    let _ = cpu::omni_selective_scan_backward_from(shape, &single.inputs(), &checkpoints, &single.dy, OmniNeeds::ALL);
}
