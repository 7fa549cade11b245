use super::{
    close::{assert_same_bits, compare_each, derivative, erf, wide, with_threads},
    problem::{Random, assert_none},
};
use burn_rsmamba_kernels::cpu::layers::{
    Affine, Rows, RowsMut, gated_norm, gated_norm_backward, layer_norm, layer_norm_backward,
};

const EPSILON: f32 = 1e-5;
const COLUMNS: [usize; 6] = [1, 3, 16, 17, 96, 200];

#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Nothing,
    Gelu,
    Gate,
}

/// One row by the formulas, in f64.
fn row(x: &[f64], scale: &[f64], shift: &[f64], gate: &[f64], after: After) -> Vec<f64> {
    let columns = x.len() as f64;
    let mean = x.iter().sum::<f64>() / columns;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns;
    let factor = 1.0 / (variance + f64::from(EPSILON)).sqrt();
    (0..x.len())
        .map(|i| {
            let z = (x[i] - mean) * factor * scale[i] + shift[i];
            match after {
                After::Nothing => z,
                After::Gelu => z / 2.0 * (1.0 + erf(z / 2.0f64.sqrt())),
                After::Gate => z * gate[i] / (1.0 + (-gate[i]).exp()),
            }
        })
        .collect()
}

struct Problem {
    columns: usize,
    x: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    gate: Vec<f32>,
    dy: Vec<f32>,
}

impl Problem {
    fn new(rows: usize, columns: usize) -> Self {
        let mut random = Random::new(rows * 1000 + columns);
        let len = rows * columns;
        let scale = random.values(columns, 1.5);
        let shift = random.values(columns, 1.0);
        Self {
            columns,
            x: random.values(len, 2.0).iter().map(|x| x + 0.7).collect(),
            scale,
            shift,
            gate: random.values(len, 4.0),
            dy: random.values(len, 1.0),
        }
    }

    fn affine(&self) -> Affine<'_> {
        Affine { scale: &self.scale, shift: &self.shift, epsilon: EPSILON }
    }

    /// A matrix that holds `values` behind two other columns, before one more.
    fn strided(&self, values: &[f32]) -> Vec<f32> {
        let mut all = Vec::new();
        for row in values.chunks_exact(self.columns) {
            all.extend([f32::NAN; 2]);
            all.extend(row);
            all.push(f32::NAN);
        }
        all
    }

    /// `Σ dy · y` of one row, and the places of `[x | scale | shift | gate]` for differences.
    fn weighted(&self, values: &[f64], dy: &[f64], after: After) -> f64 {
        let part = |index: usize| &values[index * self.columns..][..self.columns];
        row(part(0), part(1), part(2), part(3), after).iter().zip(dy).map(|(y, dy)| y * dy).sum()
    }
}

#[test]
fn results_follow_the_formula() {
    let mut failures = Vec::new();
    for columns in COLUMNS {
        let p = Problem::new(7, columns);
        let expected = |after| -> Vec<f64> {
            let rows = p.x.chunks_exact(columns).zip(p.gate.chunks_exact(columns));
            rows.flat_map(|(x, gate)| row(&wide(x), &wide(&p.scale), &wide(&p.shift), &wide(gate), after)).collect()
        };
        let strided = p.strided(&p.x);
        let x = Rows::columns_of(&strided, columns + 3, 2, columns);
        let mut check = |actual: &[f32], after: After, tolerance: f64| {
            let name = format!("{columns} columns, then {after:?}");
            compare_each(&name, actual, &expected(after), tolerance, &mut failures);
        };
        check(&layer_norm(Rows::new(&p.x, columns), p.affine(), false), After::Nothing, 4e-6);
        check(&layer_norm(x, p.affine(), true), After::Gelu, 4e-6);
        let gates = p.strided(&p.gate);
        let gate = Rows::columns_of(&gates, columns + 3, 2, columns);
        check(&gated_norm(x, p.affine(), gate), After::Gate, 8e-6);
    }
    assert_none(&failures);
}

#[test]
fn gradients_follow_finite_differences() {
    let mut failures = Vec::new();
    for columns in COLUMNS {
        let p = Problem::new(5, columns);
        for after in [After::Nothing, After::Gelu, After::Gate] {
            let mut check = |what: &str, actual: &[f32], expected: &[f64], tolerance: f64| {
                let name = format!("{what}, {columns} columns, then {after:?}");
                compare_each(&name, actual, expected, tolerance, &mut failures);
            };
            let (mut dx, mut dgate) = (Vec::new(), Vec::new());
            let mut parameters = [vec![0.0; columns], vec![0.0; columns]];
            for r in 0..5 {
                let part = |values: &[f32]| wide(&values[r * columns..][..columns]);
                let values = [part(&p.x), wide(&p.scale), wide(&p.shift), part(&p.gate)].concat();
                let dy = part(&p.dy);
                let at = |i| derivative(&values, i, |values| p.weighted(values, &dy, after));
                dx.extend((0..columns).map(at));
                dgate.extend((3 * columns..4 * columns).map(at));
                for i in 0..columns {
                    parameters[0][i] += at(columns + i);
                    parameters[1][i] += at(2 * columns + i);
                }
            }
            let strided = p.strided(&p.x);
            let x = Rows::columns_of(&strided, columns + 3, 2, columns);
            let gradients = if after == After::Gate {
                let gates = p.strided(&p.gate);
                let gate = Rows::columns_of(&gates, columns + 3, 2, columns);
                let mut written = vec![9.0; gates.len()];
                let into = RowsMut::columns_of(&mut written, columns + 3, 2, columns);
                let (gradients, y) = gated_norm_backward(x, p.affine(), gate, &p.dy, into);
                assert_same_bits(&y, &gated_norm(x, p.affine(), gate));
                let mut inside = Vec::new();
                for row in written.chunks_exact(columns + 3) {
                    assert!(row[..2] == [9.0; 2] && row[columns + 2..] == [9.0], "other columns changed: {row:?}");
                    inside.extend(&row[2..columns + 2]);
                }
                check("dgate", &inside, &dgate, 1e-5);
                gradients
            } else {
                layer_norm_backward(x, p.affine(), after == After::Gelu, &p.dy)
            };
            // A single column has no variance: its factor is 1/√ε.
            let tolerance = if columns == 1 { 1e-3 } else { 3e-5 };
            check("dx", &gradients.x, &dx, tolerance);
            check("dscale", &gradients.scale, &parameters[0], 2e-5);
            check("dshift", &gradients.shift, &parameters[1], 2e-5);
        }
    }
    assert_none(&failures);
}

#[test]
fn constant_rows_give_the_shift() {
    let p = Problem::new(1, 40);
    let mut failures = Vec::new();
    for value in [0.0, 3.0, -1e4] {
        let x = [value; 40];
        let y = layer_norm(Rows::new(&x, 40), p.affine(), false);
        compare_each(&format!("rows of {value}"), &y, &wide(&p.shift), 1e-6, &mut failures);
        let gradients = layer_norm_backward(Rows::new(&x, 40), p.affine(), false, &p.dy);
        assert!(gradients.x.iter().chain(&gradients.scale).all(|value| value.is_finite()));
    }
    assert_none(&failures);
}

#[test]
fn a_large_offset_keeps_the_variance() {
    let p = Problem::new(2, 96);
    let x: Vec<f32> = p.x.iter().map(|x| (x * 64.0).round() / 64.0 + 1000.0).collect();
    let rows = x.chunks_exact(96);
    let expected: Vec<f64> =
        rows.flat_map(|x| row(&wide(x), &wide(&p.scale), &wide(&p.shift), &[], After::Nothing)).collect();
    let mut failures = Vec::new();
    compare_each("results", &layer_norm(Rows::new(&x, 96), p.affine(), false), &expected, 1e-4, &mut failures);
    assert_none(&failures);
}

#[test]
fn far_gates_close() {
    let x = [1.0, -2.0, 3.0, -4.0];
    let gate = [-3e38, -100.0, 100.0, -87.1];
    let affine = Affine { scale: &[1.0; 4], shift: &[0.5; 4], epsilon: EPSILON };
    let y = gated_norm(Rows::new(&x, 4), affine, Rows::new(&gate, 4));
    assert!(y[0] == 0.0 && y[1] == 0.0 && y[3] == 0.0 && y[2] > 100.0, "{y:?}");
    let mut dgate = [1.0; 4];
    let (gradients, _) =
        gated_norm_backward(Rows::new(&x, 4), affine, Rows::new(&gate, 4), &[1.0; 4], RowsMut::new(&mut dgate, 4));
    assert!(dgate[0] == 0.0 && dgate[1] == 0.0 && dgate[3] == 0.0, "{dgate:?}");
    assert!(gradients.x.iter().all(|value| value.is_finite()), "{gradients:?}");
}

#[test]
fn norms_are_bit_identical_at_any_thread_count() {
    for (rows, columns) in [(1500, 96), (40, 1001)] {
        let p = Problem::new(rows, columns);
        let (x, gate) = (Rows::new(&p.x, columns), Rows::new(&p.gate, columns));
        let run = |threads| {
            with_threads(threads, || {
                let mut dgate = vec![0.0; p.x.len()];
                let a = layer_norm_backward(x, p.affine(), true, &p.dy);
                let (b, y) = gated_norm_backward(x, p.affine(), gate, &p.dy, RowsMut::new(&mut dgate, columns));
                let forward = [layer_norm(x, p.affine(), true), gated_norm(x, p.affine(), gate)];
                [forward.concat(), a.x, a.scale, a.shift, b.x, b.scale, b.shift, y, dgate].concat()
            })
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert_same_bits(&one, &run(threads));
        }
    }
}

#[test]
fn no_rows_give_no_values() {
    let p = Problem::new(0, 5);
    assert!(layer_norm(Rows::new(&[], 5), p.affine(), true).is_empty());
    let gradients = layer_norm_backward(Rows::new(&[], 5), p.affine(), false, &[]);
    assert_eq!((gradients.x.len(), gradients.scale), (0, vec![0.0; 5]));
}
