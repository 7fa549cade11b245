use super::{
    close::{assert_same_bits, compare_each, derivative, with_threads},
    problem::{Random, assert_none},
};
use burn_rsmamba_kernels::cpu::layers::{Affine, Rows, batch_norm, batch_norm_backward, batch_statistics};

const EPSILON: f32 = 1e-5;
const COLUMNS: [usize; 6] = [1, 3, 16, 17, 96, 200];

fn column(values: &[f32], columns: usize, index: usize) -> Vec<f64> {
    values.iter().skip(index).step_by(columns).map(|&value| f64::from(value)).collect()
}

fn moments(x: &[f64]) -> (f64, f64) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64)
}

/// Results before `ReLU` of one column, whose scale and shift stand behind its values.
fn normalised(values: &[f64]) -> impl Iterator<Item = f64> {
    let (x, &[scale, shift]) = values.split_last_chunk().expect("two parameters");
    let (mean, variance) = moments(x);
    x.iter().map(move |x| (x - mean) / (variance + f64::from(EPSILON)).sqrt() * scale + shift)
}

struct Problem {
    columns: usize,
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    dy: Vec<f32>,
}

impl Problem {
    fn new(rows: usize, columns: usize) -> Self {
        let mut random = Random::new(rows * 1000 + columns);
        Self {
            columns,
            x: random.values(rows * columns, 2.0).iter().map(|x| x + 0.7).collect(),
            scale: random.values(columns, 1.5),
            shift: random.values(columns, 1.0),
            dy: random.values(rows * columns, 1.0),
        }
    }

    fn affine(&self) -> Affine<'_> {
        Affine { scale: &self.scale, shift: &self.shift, epsilon: EPSILON }
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.x, self.columns)
    }
}

#[test]
fn statistics_and_results_follow_their_formulas() {
    let mut failures = Vec::new();
    for columns in COLUMNS {
        let mut check = |what: &str, actual: &[f32], expected: &[f64], tolerance: f64| {
            compare_each(&format!("{what} of {columns} columns"), actual, expected, tolerance, &mut failures);
        };
        let p = Problem::new(37, columns);
        let (mean, variance) = batch_statistics(p.rows());
        let expected: Vec<_> = (0..columns).map(|i| moments(&column(&p.x, columns, i))).collect();
        check("means", &mean, &expected.iter().map(|moments| moments.0).collect::<Vec<_>>(), 1e-6);
        check("variances", &variance, &expected.iter().map(|moments| moments.1).collect::<Vec<_>>(), 3e-6);
        for relu in [false, true] {
            let at = |(i, &x): (usize, &f32)| {
                let (i, x) = (i % columns, f64::from(x));
                let factor = f64::from(p.scale[i]) / (expected[i].1 + f64::from(EPSILON)).sqrt();
                let y = (x - expected[i].0) * factor + f64::from(p.shift[i]);
                if relu { y.max(0.0) } else { y }
            };
            let expected: Vec<f64> = p.x.iter().enumerate().map(at).collect();
            let y = batch_norm(&p.x, &mean, &variance, p.affine(), relu);
            check(if relu { "results after ReLU" } else { "results" }, &y, &expected, 4e-6);
        }
        if columns > 3 {
            let some = batch_statistics(Rows::columns_of(&p.x, columns, 2, columns - 3));
            assert_same_bits(&some.0, &mean[2..columns - 1]);
            assert_same_bits(&some.1, &variance[2..columns - 1]);
        }
    }
    assert_none(&failures);
}

#[test]
fn gradients_follow_finite_differences() {
    let mut failures = Vec::new();
    for columns in COLUMNS {
        let rows = 19;
        let p = Problem::new(rows, columns);
        let (mean, variance) = batch_statistics(p.rows());
        for relu in [false, true] {
            let mut dx = vec![0.0; p.x.len()];
            let mut parameters = [Vec::new(), Vec::new()];
            for i in 0..columns {
                let mut values = column(&p.x, columns, i);
                values.extend([f64::from(p.scale[i]), f64::from(p.shift[i])]);
                // The mask of `ReLU` stays where it is: differences across its corner have no meaning.
                let dy: Vec<f64> = normalised(&values)
                    .zip(column(&p.dy, columns, i))
                    .map(|(y, dy)| if relu && y <= 0.0 { 0.0 } else { dy })
                    .collect();
                let weighted = |values: &[f64]| normalised(values).zip(&dy).map(|(y, dy)| y * dy).sum();
                let at = |index| derivative(&values, index, weighted);
                for row in 0..rows {
                    dx[row * columns + i] = at(row);
                }
                parameters[0].push(at(rows));
                parameters[1].push(at(rows + 1));
            }
            let gradients = batch_norm_backward(&p.x, &mean, &variance, p.affine(), relu, &p.dy);
            let mut check = |what: &str, actual: &[f32], expected: &[f64]| {
                compare_each(&format!("{what}, {columns} columns, relu {relu}"), actual, expected, 1e-5, &mut failures);
            };
            check("dx", &gradients.x, &dx);
            check("dscale", &gradients.scale, &parameters[0]);
            check("dshift", &gradients.shift, &parameters[1]);
        }
    }
    assert_none(&failures);
}

#[test]
fn statistics_stand_large_offsets_and_many_rows() {
    let rows = 20_000;
    let mut random = Random::new(3);
    let offsets = [0.0, 4096.0, -65536.0];
    let x: Vec<f32> = (0..rows * 3).map(|i| (random.value() * 64.0).round() / 64.0 + offsets[i % 3]).collect();
    let (mean, variance) = batch_statistics(Rows::new(&x, 3));
    for i in 0..3 {
        let (m, v) = moments(&column(&x, 3, i));
        assert!((f64::from(mean[i]) - m).abs() < 1e-6 * m.abs().max(1.0), "{} instead of {m}", mean[i]);
        assert!((f64::from(variance[i]) / v - 1.0).abs() < 1e-3, "{} instead of {v}", variance[i]);
    }
    let constant = vec![-7.3; 5000];
    let (mean, variance) = batch_statistics(Rows::new(&constant, 5));
    assert!(mean.iter().all(|mean| (mean + 7.3).abs() < 1e-6), "{mean:?}");
    assert!(variance.iter().all(|&variance| (0.0..1e-12).contains(&variance)), "{variance:?}");
}

#[test]
fn nan_passes_relu() {
    let (x, one) = ([f32::NAN, 1.0], [1.0]);
    let affine = Affine { scale: &one, shift: &[0.0], epsilon: EPSILON };
    let y = batch_norm(&x, &[0.0], &one, affine, true);
    assert!(y[0].is_nan() && y[1] > 0.99, "{y:?}");
}

#[test]
fn batch_norm_is_bit_identical_at_any_thread_count() {
    for (rows, columns) in [(3001, 48), (40, 1001)] {
        let p = Problem::new(rows, columns);
        let run = |threads| {
            with_threads(threads, || {
                let (mean, variance) = batch_statistics(p.rows());
                let y = batch_norm(&p.x, &mean, &variance, p.affine(), true);
                let gradients = batch_norm_backward(&p.x, &mean, &variance, p.affine(), true, &p.dy);
                [mean, variance, y, gradients.x, gradients.scale, gradients.shift].concat()
            })
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert_same_bits(&one, &run(threads));
        }
    }
}
