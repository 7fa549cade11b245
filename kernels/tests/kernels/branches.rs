//! The branches' factors a sample; the branches themselves are compared with Burn's operations in the `tests` package.

use super::{
    close::wide,
    problem::{Random, assert_none, compare},
};
use burn_rsmamba_kernels::{
    Directions,
    cpu::{
        branches::{MlpInputs, OssmInputs, OssmShape, mlp, mlp_backward, ossm, ossm_backward},
        layers::Affine,
    },
};

const SCALE: [f32; 3] = [0.0, 1.25, 0.4];

fn numbers(random: &mut Random, len: usize) -> Vec<f32> {
    random.values(len, 0.8)
}

/// `x + s (f(x) - x)` of what a branch gives without factors.
fn scaled(x: &[f32], y: &[f32]) -> Vec<f32> {
    let sample = x.len() / SCALE.len();
    x.iter().zip(y).enumerate().map(|(index, (x, y))| x + SCALE[index / sample] * (y - x)).collect()
}

/// The output gradient as the branch without factors would have to get it.
fn scaled_dy(dy: &[f32]) -> Vec<f32> {
    let sample = dy.len() / SCALE.len();
    dy.iter().enumerate().map(|(index, dy)| SCALE[index / sample] * dy).collect()
}

/// `dx` with factors from that without: the residual passes the gradient on unscaled.
fn expected_dx(dx: &[f32], dy: &[f32]) -> Vec<f32> {
    let passed = scaled_dy(dy);
    dx.iter().zip(&passed).zip(dy).map(|((dx, passed), dy)| dx - passed + dy).collect()
}

#[test]
fn factors_of_the_mlp_branch_scale_the_branch_and_not_the_residual() {
    let (rows, channels, hidden) = (3 * 35, 10, 24);
    let random = &mut Random::new(3);
    let x = numbers(random, rows * channels);
    let (scale, shift) = (numbers(random, channels), numbers(random, channels));
    let (weight1, bias1) = (numbers(random, channels * hidden), numbers(random, hidden));
    let (weight2, bias2) = (numbers(random, hidden * channels), numbers(random, channels));
    let dy = numbers(random, rows * channels);
    let norm = Affine { scale: &scale, shift: &shift, epsilon: 1e-5 };
    let plain =
        MlpInputs { x: &x, scale: None, norm, weight1: &weight1, bias1: &bias1, weight2: &weight2, bias2: &bias2 };
    let with = MlpInputs { scale: Some(&SCALE), ..plain };
    let (y, kept) = mlp(&plain, true);
    let (y_with, kept_with) = mlp(&with, true);
    let (kept, kept_with) = (kept.expect("asked for"), kept_with.expect("asked for"));
    let mut failures = Vec::new();
    let mut check = |name: &str, actual: &[f32], expected: &[f32]| {
        compare(name, actual, &wide(expected), 1e-5, &mut failures);
    };
    check("y", &y_with, &scaled(&x, &y));
    check("y in pieces", &mlp(&with, false).0, &y_with);
    let expected = mlp_backward(&plain, &kept, &scaled_dy(&dy));
    let actual = mlp_backward(&with, &kept_with, &dy);
    check("dx", &actual.x, &expected_dx(&expected.x, &dy));
    check("norm scale", &actual.norm_scale, &expected.norm_scale);
    check("norm shift", &actual.norm_shift, &expected.norm_shift);
    check("weight1", &actual.weight1, &expected.weight1);
    check("bias1", &actual.bias1, &expected.bias1);
    check("weight2", &actual.weight2, &expected.weight2);
    check("bias2", &actual.bias2, &expected.bias2);
    assert_none(&failures);
}

#[test]
fn factors_of_the_scan_branch_scale_the_branch_and_not_the_residual() {
    let shape = OssmShape {
        batch: 3,
        height: 5,
        width: 4,
        channels: 6,
        inner: 12,
        states: 3,
        rank: 2,
        directions: Directions::Eight,
    };
    let OssmShape { channels, inner, states, rank, .. } = shape;
    let random = &mut Random::new(4);
    let [x, dy] = [(); 2].map(|()| numbers(random, 3 * 20 * channels));
    let [scale, shift] = [(); 2].map(|()| numbers(random, channels));
    let [out_scale, out_shift] = [(); 2].map(|()| numbers(random, inner));
    let in_proj = numbers(random, channels * 2 * inner);
    let (conv_weight, conv_bias) = (numbers(random, 9 * inner), numbers(random, inner));
    let x_proj = numbers(random, 8 * (rank + 2 * states) * inner);
    let (dt_weight, dt_bias) = (numbers(random, 8 * inner * rank), numbers(random, 8 * inner));
    let (a_logs, skip) = (numbers(random, 8 * inner * states), numbers(random, 8 * inner));
    let out_proj = numbers(random, inner * channels);
    let plain = OssmInputs {
        x: &x,
        scale: None,
        norm: Affine { scale: &scale, shift: &shift, epsilon: 1e-5 },
        in_proj: &in_proj,
        conv_weight: &conv_weight,
        conv_bias: &conv_bias,
        x_proj: &x_proj,
        dt_weight: &dt_weight,
        dt_bias: &dt_bias,
        a_logs: &a_logs,
        skip: &skip,
        out_norm: Affine { scale: &out_scale, shift: &out_shift, epsilon: 1e-5 },
        out_proj: &out_proj,
    };
    let with = OssmInputs { scale: Some(&SCALE), ..plain };
    let (y, kept) = ossm(shape, &plain, true);
    let (y_with, kept_with) = ossm(shape, &with, true);
    let mut failures = Vec::new();
    let mut check = |name: &str, actual: &[f32], expected: &[f32]| {
        compare(name, actual, &wide(expected), 1e-5, &mut failures);
    };
    check("y", &y_with, &scaled(&x, &y));
    check("y without a backward pass", &ossm(shape, &with, false).0, &y_with);
    let expected = ossm_backward(shape, &plain, &kept.expect("asked for"), &scaled_dy(&dy));
    let actual = ossm_backward(shape, &with, &kept_with.expect("asked for"), &dy);
    check("dx", &actual.x, &expected_dx(&expected.x, &dy));
    for (name, actual, expected) in [
        ("norm scale", &actual.norm_scale, &expected.norm_scale),
        ("norm shift", &actual.norm_shift, &expected.norm_shift),
        ("in_proj", &actual.in_proj, &expected.in_proj),
        ("conv weight", &actual.conv_weight, &expected.conv_weight),
        ("conv bias", &actual.conv_bias, &expected.conv_bias),
        ("x_proj", &actual.x_proj, &expected.x_proj),
        ("dt_weight", &actual.dt_weight, &expected.dt_weight),
        ("dt_bias", &actual.dt_bias, &expected.dt_bias),
        ("a_logs", &actual.a_logs, &expected.a_logs),
        ("skip", &actual.skip, &expected.skip),
        ("out_norm scale", &actual.out_norm_scale, &expected.out_norm_scale),
        ("out_norm shift", &actual.out_norm_shift, &expected.out_norm_shift),
        ("out_proj", &actual.out_proj, &expected.out_proj),
    ] {
        check(name, actual, expected);
    }
    assert_none(&failures);
}
