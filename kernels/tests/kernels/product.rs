//! Matrix products of every layout, against the definition in f64.

use super::{
    close::{assert_same_bits, compare_each, with_threads},
    problem::{Random, assert_none},
};
use burn_rsmamba_kernels::cpu::layers::{Matrix, Start, product, product_then};

/// Rows, inner dimension, columns: around the sides of tiles, bands and tasks, few rows and many.
const SHAPES: [(usize, usize, usize); 8] = [
    (1, 1, 1),
    (3, 17, 5),
    (64, 130, 384),
    (65, 33, 70),
    (128, 96, 300),
    (129, 96, 300),
    (200, 40, 448),
    (500, 21, 67),
];

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
}

fn truth(a: &[f32], b: &[f32], (rows, inner, columns): (usize, usize, usize)) -> Vec<f64> {
    let term = |row, k, column| f64::from(a[row * inner + k]) * f64::from(b[k * columns + column]);
    (0..rows * columns).map(|at| (0..inner).map(|k| term(at / columns, k, at % columns)).sum()).collect()
}

#[test]
fn products_agree_with_the_definition_in_every_layout() {
    let mut failures = Vec::new();
    for (seed, shape) in SHAPES.into_iter().enumerate() {
        let (rows, inner, columns) = shape;
        let mut random = Random::new(seed);
        let (a, b) = (random.values(rows * inner, 1.0), random.values(inner * columns, 1.0));
        let residual = random.values(rows * columns, 1.0);
        let (a_turned, b_turned) = (transpose(&a, rows, inner), transpose(&b, inner, columns));
        let expected = truth(&a, &b, shape);
        let added: Vec<f64> = expected.iter().zip(&residual).map(|(sum, &start)| sum + f64::from(start)).collect();
        let start = Start::Residual { matrix: &residual, bias: None, scale: None };
        let [a, a_turned] = [Matrix::new(&a, rows, inner), Matrix::new(&a_turned, inner, rows).transposed()];
        let [b, b_turned] = [Matrix::new(&b, inner, columns), Matrix::new(&b_turned, columns, inner).transposed()];
        for (layout, a, b) in
            [("a b", a, b), ("aᵀ b", a_turned, b), ("a bᵀ", a, b_turned), ("aᵀ bᵀ", a_turned, b_turned)]
        {
            let name = format!("{layout} of {shape:?}");
            compare_each(&name, &product(a, b, Start::Zero), &expected, 1e-5, &mut failures);
            compare_each(&format!("residual + {name}"), &product(a, b, start), &added, 1e-5, &mut failures);
        }
    }
    assert_none(&failures);
}

#[test]
fn every_value_of_a_transposed_product_is_handed_on_once() {
    for (seed, (rows, inner, columns)) in SHAPES.into_iter().enumerate() {
        let mut random = Random::new(seed);
        let (a, b) = (random.values(rows * inner, 1.0), random.values(inner * columns, 1.0));
        let (a, b) = (Matrix::new(&a, rows, inner), Matrix::new(&b, columns, inner).transposed());
        let plain = product(a, b, Start::Zero);
        // The place goes into the value: a piece that comes twice, never, or with another place shows.
        let placed = product_then(a, b, Start::Zero, |at, values| {
            for (offset, value) in values.iter_mut().enumerate() {
                *value += (at + offset) as f32;
            }
        });
        let expected: Vec<f32> = plain.iter().enumerate().map(|(at, value)| value + at as f32).collect();
        assert_same_bits(&placed, &expected);
    }
}

#[test]
fn products_are_bit_identical_at_any_thread_count() {
    for (seed, (rows, inner, columns)) in SHAPES.into_iter().enumerate() {
        let mut random = Random::new(seed);
        let (a, b) = (random.values(rows * inner, 1.0), random.values(inner * columns, 1.0));
        let run = |threads| {
            let b = Matrix::new(&b, columns, inner).transposed();
            with_threads(threads, || product(Matrix::new(&a, rows, inner), b, Start::Zero))
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert_same_bits(&run(threads), &one);
        }
    }
}
