use super::problem::{ALL_ON, Omni, Plain, omni_shape};
use burn_rsmamba_kernels::{OmniNeeds, ScanNeeds, ScanShape, cpu, reference};

const SHAPE: ScanShape = ScanShape { batch: 2, groups: 2, channels: 3, states: 4, length: 5 };

#[test]
fn a_short_slice_is_named_with_both_lengths() {
    let problem = Plain::random(SHAPE, ALL_ON, 1).to_f32();
    let mut inputs = problem.inputs();
    inputs.b = &inputs.b[1..];
    let error = cpu::selective_scan(SHAPE, &inputs).expect_err("b is short").to_string();
    assert_eq!(error, "selective_scan: `b` must hold 80 elements ([batch, groups, states, length]), got 79");
}

#[test]
fn a_zero_dimension_is_named() {
    let problem = Plain::random(SHAPE, ALL_ON, 1);
    let shape = ScanShape { length: 0, ..SHAPE };
    let error = reference::selective_scan(shape, &problem.inputs()).expect_err("no step").to_string();
    assert_eq!(error, "selective_scan: `length` must be at least 1, got 0");
}

#[test]
fn a_wrong_output_gradient_is_named() {
    let problem = Plain::random(SHAPE, ALL_ON, 1).to_f32();
    let error = cpu::selective_scan_backward(SHAPE, &problem.inputs(), &[0.0], ScanNeeds::ALL).expect_err("short");
    assert!(error.to_string().contains("`dy` must hold 60 elements"), "{error}");

    let shape = omni_shape(1, 2, 3, 4, 1);
    let omni = Omni::random(shape, ALL_ON, 1).to_f32();
    let error = cpu::omni_selective_scan_backward(shape, &omni.inputs(), &[0.0], OmniNeeds::ALL).expect_err("short");
    assert!(error.to_string().contains("omni_selective_scan_backward: `dy` must hold 24"), "{error}");
}
