//! Central differences of `sum(dy * y)` over every element of every input, evaluated on the plain device.

use super::problem::{ALL_ON, Case, Implementation, OmniShape, Operand, PlainShape, omni, plain, run_omni, run_plain};
use burn::tensor::Device;
use burn_rsmamba::{Directions, ScanOptions, omni_selective_scan, selective_scan};
use burn_rsmamba_tests::{autodiff_devices, compare::Failures, compare::values, device};

const EPS: f32 = 1e-2;
const TOLERANCE: f32 = 2e-3;

fn check(
    name: &str,
    operands: &[Operand],
    gradients: &[(&'static str, Vec<f32>)],
    loss: &dyn Fn(&[Operand]) -> f64,
    failures: &mut Failures,
) {
    assert_eq!(gradients.len(), operands.len(), "{name}: one gradient an operand");
    let mut moved = operands.to_vec();
    for (operand, (gradient_of, gradient)) in gradients.iter().enumerate() {
        assert_eq!(operands[operand].name, *gradient_of, "{name}: order of gradients");
        let numeric: Vec<f32> = (0..gradient.len())
            .map(|index| {
                let value = moved[operand].values[index];
                moved[operand].values[index] = value + EPS;
                let above = loss(&moved);
                moved[operand].values[index] = value - EPS;
                let below = loss(&moved);
                moved[operand].values[index] = value;
                ((above - below) / (2.0 * f64::from(EPS))) as f32
            })
            .collect();
        failures.relative(&format!("{name} d{gradient_of}"), gradient, &numeric, TOLERANCE);
    }
}

/// Summed in f64, so that the difference of two losses keeps its digits.
fn weighted(y: &[f32], dy: &Operand) -> f64 {
    y.iter().zip(&dy.values).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
}

fn plain_loss(operands: &[Operand], dy: &Operand, softplus: bool, device: &Device) -> f64 {
    let find = |name: &str| operands.iter().find(|operand| operand.name == name);
    let required = |name| find(name).expect("a required operand");
    let y = selective_scan(
        required("u").tensor(device),
        required("delta").tensor(device),
        required("a").tensor(device),
        required("b").tensor(device),
        required("c").tensor(device),
        find("skip").map(|skip| skip.tensor(device)),
        find("delta_bias").map(|bias| bias.tensor(device)),
        ScanOptions { delta_softplus: softplus },
    );
    weighted(&values(y), dy)
}

#[test]
fn plain_gradients() {
    let mut failures = Failures::default();
    let no_options = Case { softplus: false, skip: false, bias: false };
    for case in [ALL_ON, no_options] {
        let shape = PlainShape { batch: 2, groups: 2, channels: 2, states: 3, length: 5 };
        let (operands, dy) = plain(shape, case, 31);
        for (mode, autodiff) in autodiff_devices() {
            let run = run_plain(Implementation::Op, &operands, &dy, case.softplus, &autodiff, &|_| true);
            let loss = |operands: &[Operand]| plain_loss(operands, &dy, case.softplus, &device());
            check(&format!("{case:?} ({mode})"), &operands, &run.gradients, &loss, &mut failures);
        }
    }
    failures.finish();
}

#[test]
fn omni_gradients() {
    let mut failures = Failures::default();
    let directions = Directions::Eight;
    let shape = OmniShape { batch: 1, height: 3, width: 4, channels: 2, states: 2, rank: 2, directions };
    let (operands, dy) = omni(shape, ALL_ON, 37);
    let loss = |operands: &[Operand]| {
        let find = |name: &str| operands.iter().find(|operand| operand.name == name).expect("an operand");
        let y = omni_selective_scan(
            find("u").tensor(&device()),
            find("projection").tensor(&device()),
            find("dt_weight").tensor(&device()),
            find("a").tensor(&device()),
            Some(find("skip").tensor(&device())),
            Some(find("delta_bias").tensor(&device())),
            directions,
            ScanOptions { delta_softplus: true },
        );
        weighted(&values(y), &dy)
    };
    for (mode, autodiff) in autodiff_devices() {
        let run = run_omni(Implementation::Op, &operands, &dy, directions, true, &autodiff);
        check(mode, &operands, &run.gradients, &loss, &mut failures);
    }
    failures.finish();
}
