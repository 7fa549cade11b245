//! Central differences of `sum(dy * y)` over every element of every input, in f64.

use super::problem::{Omni, Options, Plain, assert_none, every_option, omni_shape};
use burn_rsmamba_kernels::{OmniNeeds, ScanNeeds, ScanShape, reference};

const EPS: f64 = 1e-5;

/// Compares a gradient with central differences of `loss`, which evaluates the problem with one element replaced.
fn check<P: Clone>(
    name: &str,
    problem: &P,
    gradient: &[f64],
    field: fn(&mut P) -> &mut Vec<f64>,
    loss: fn(&P) -> f64,
    failures: &mut Vec<String>,
) {
    let mut moved = problem.clone();
    for (index, &gradient) in gradient.iter().enumerate() {
        let value = field(&mut moved)[index];
        field(&mut moved)[index] = value + EPS;
        let above = loss(&moved);
        field(&mut moved)[index] = value - EPS;
        let below = loss(&moved);
        field(&mut moved)[index] = value;
        let numeric = (above - below) / (2.0 * EPS);
        if (gradient - numeric).abs() > 1e-7 * (1.0 + numeric.abs()) {
            failures.push(format!("{name}[{index}]: gradient {gradient}, difference {numeric}"));
        }
    }
}

fn weighted(y: &[f64], dy: &[f64]) -> f64 {
    y.iter().zip(dy).map(|(y, dy)| y * dy).sum()
}

fn plain_loss(p: &Plain<f64>) -> f64 {
    weighted(&reference::selective_scan(p.shape, &p.inputs()).expect("fits").0, &p.dy)
}

fn omni_loss(p: &Omni<f64>) -> f64 {
    weighted(&reference::omni_selective_scan(p.shape, &p.inputs()).expect("fits"), &p.dy)
}

#[test]
fn reference_gradients_of_the_plain_form() {
    let mut failures = Vec::new();
    for options in every_option() {
        let shape = ScanShape { batch: 2, groups: 2, channels: 2, states: 3, length: 6 };
        let p = Plain::random(shape, options, 21);
        let g = reference::selective_scan_backward(shape, &p.inputs(), &p.dy, ScanNeeds::ALL).expect("fits");
        let wanted = "every gradient was asked for";
        let mut run = |name, gradient: Option<Vec<f64>>, field| {
            let name = format!("{options:?} {name}");
            check(&name, &p, &gradient.expect(wanted), field, plain_loss, &mut failures);
        };
        run("u", g.u, |p| &mut p.u);
        run("delta", g.delta, |p| &mut p.delta);
        run("a", g.a, |p| &mut p.a);
        run("b", g.b, |p| &mut p.b);
        run("c", g.c, |p| &mut p.c);
        if options.skip {
            run("skip", g.skip, |p| &mut p.skip);
        }
        if options.bias {
            run("bias", g.delta_bias, |p| &mut p.bias);
        }
    }
    assert_none(&failures);
}

#[test]
fn reference_gradients_of_the_omnidirectional_form() {
    let mut failures = Vec::new();
    for softplus in [true, false] {
        let options = Options { softplus, skip: true, bias: true };
        let shape = omni_shape(1, 3, 4, 2, 2);
        let p = Omni::random(shape, options, 22);
        let g = reference::omni_selective_scan_backward(shape, &p.inputs(), &p.dy, OmniNeeds::ALL).expect("fits");
        let mut run = |name, gradient: Option<Vec<f64>>, field| {
            let gradient = gradient.expect("every gradient was asked for");
            check(&format!("{options:?} {name}"), &p, &gradient, field, omni_loss, &mut failures);
        };
        run("u", g.u, |p| &mut p.u);
        run("projection", g.projection, |p| &mut p.projection);
        run("dt_weight", g.dt_weight, |p| &mut p.dt_weight);
        run("a", g.a, |p| &mut p.a);
        run("skip", g.skip, |p| &mut p.skip);
        run("bias", g.delta_bias, |p| &mut p.bias);
    }
    assert_none(&failures);
}
