use super::{
    close::{assert_same_bits, compare_each, erf, erfc_far, with_threads},
    problem::{Random, assert_none},
};
use burn_rsmamba_kernels::cpu::layers::{Rows, add_bias, gelu, gelu_backward, gelu_in_place, sum_rows};

/// Distribution function of the normal distribution, accurate in its tails.
fn phi(x: f64) -> f64 {
    if x < -4.0 { erfc_far(-x / 2.0f64.sqrt()) / 2.0 } else { f64::midpoint(1.0, erf(x / 2.0f64.sqrt())) }
}

fn slope(x: f64) -> f64 {
    phi(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

fn grid(from: f32, to: f32) -> Vec<f32> {
    (0..200_001).map(|i| from + (to - from) * (i as f32 / 200_000.0)).collect()
}

#[test]
fn gelu_is_accurate() {
    let x = grid(-12.0, 12.0);
    let expected: Vec<f64> = x.iter().map(|&x| f64::from(x) * phi(f64::from(x))).collect();
    let mut failures = Vec::new();
    compare_each("gelu", &gelu(&x), &expected, 1.5e-7, &mut failures);
    let mut dy = vec![1.0; x.len()];
    let mut y = vec![0.0; x.len()];
    gelu_backward(&x, &mut dy, Some(&mut y));
    assert_same_bits(&y, &gelu(&x));
    let expected: Vec<f64> = x.iter().map(|&x| slope(f64::from(x))).collect();
    compare_each("slope", &dy, &expected, 3e-7, &mut failures);
    assert_none(&failures);
}

#[test]
fn gelu_does_not_cancel_in_its_tail() {
    let x = grid(-12.0, -2.0);
    let mut dy = vec![1.0; x.len()];
    gelu_backward(&x, &mut dy, None);
    for ((&x, y), dy) in x.iter().zip(gelu(&x)).zip(dy) {
        let x = f64::from(x);
        let (value, slope) = (x * phi(x), slope(x));
        assert!((f64::from(y) / value - 1.0).abs() < 1e-3, "{y:e} instead of {value:e} at {x}");
        assert!((f64::from(dy) / slope - 1.0).abs() < 1e-4, "{dy:e} instead of {slope:e} at {x}");
    }
}

#[test]
fn gelu_of_extremes() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -0.0, 0.0, 1e-30, -1e-30, 13.0, -13.0];
    let y = gelu(&x);
    assert!(y[0].is_nan(), "{y:?}");
    assert_eq!(&y[1..], &[f32::INFINITY, 0.0, f32::MAX, 0.0, 0.0, 0.0, 5e-31, -5e-31, 13.0, 0.0]);
    let mut dy = [1.0; 11];
    gelu_backward(&x, &mut dy, None);
    assert!(dy[0].is_nan(), "{dy:?}");
    assert_eq!(&dy[1..], &[1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0, 0.0]);
}

#[test]
fn bias_and_sums_follow_their_formulas() {
    let mut failures = Vec::new();
    for columns in [1, 3, 16, 17, 96, 200] {
        let mut random = Random::new(columns);
        let (values, bias) = (random.values(columns * 50, 1.0), random.values(columns, 1.0));
        let mut sum = values.clone();
        add_bias(&mut sum, &bias);
        let expected: Vec<f32> = values.iter().zip(bias.iter().cycle()).map(|(value, bias)| value + bias).collect();
        assert_eq!(sum, expected);
        let mut totals = vec![0.0; columns];
        for row in values.chunks_exact(columns) {
            totals.iter_mut().zip(row).for_each(|(total, &value)| *total += f64::from(value));
        }
        let name = format!("sums of {columns} columns");
        compare_each(&name, &sum_rows(Rows::new(&values, columns)), &totals, 1e-5, &mut failures);
        if columns > 3 {
            let some = Rows::columns_of(&values, columns, 2, columns - 3);
            compare_each(&format!("some {name}"), &sum_rows(some), &totals[2..columns - 1], 1e-5, &mut failures);
        }
    }
    assert_none(&failures);
    assert!(gelu(&[]).is_empty());
    assert_eq!(sum_rows(Rows::new(&[], 2)), [0.0; 2]);
}

#[test]
fn activations_are_bit_identical_at_any_thread_count() {
    let mut random = Random::new(5);
    let (x, bias) = (random.values(150_000, 5.0), random.values(96, 1.0));
    let x = &x[..1562 * 96];
    let run = |threads| {
        with_threads(threads, || {
            let (mut dy, mut biased) = (x.to_vec(), x.to_vec());
            gelu_backward(x, &mut dy, None);
            add_bias(&mut biased, &bias);
            [gelu(x), dy, biased, sum_rows(Rows::new(x, 96))].concat()
        })
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert_same_bits(&one, &run(threads));
    }
    let mut y = x.to_vec();
    gelu_in_place(&mut y);
    assert_same_bits(&one[..x.len()], &y);
}
