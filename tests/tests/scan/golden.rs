//! Every `scan_*` and `omni_*` file: numbers of the official PyTorch code.

use super::problem::{Case, Implementation, Operand, run_plain};
use burn_rsmamba::{Directions, scan::reference};
use burn_rsmamba_tests::{
    autodiff_devices,
    compare::{Failures, values},
    device,
    fixtures::{Golden, golden_names},
};

const TOLERANCE: f32 = 1e-5;

fn operands(golden: &Golden) -> (Vec<Operand>, Operand, Case) {
    let operand =
        |name, key: &str| Operand { name, shape: golden.shape(key).to_vec(), values: golden.values(key).to_vec() };
    let names = [
        ("u", "u"),
        ("delta", "delta"),
        ("a", "a"),
        ("b", "b"),
        ("c", "c"),
        ("skip", "d"),
        ("delta_bias", "delta_bias"),
    ];
    let operands = names.into_iter().filter(|(_, key)| golden.has(key)).map(|(name, key)| operand(name, key)).collect();
    let softplus = golden.meta("delta_softplus").as_bool().expect("a boolean");
    let case = Case { softplus, skip: golden.has("d"), bias: golden.has("delta_bias") };
    (operands, operand("dy", "dy"), case)
}

#[test]
fn plain_scan_reproduces_every_golden_file_with_its_gradients() {
    let mut failures = Failures::default();
    let names = golden_names("scan_");
    assert_eq!(names.len(), 10, "golden scans: {names:?}");
    for name in names {
        let golden = Golden::open(&name);
        let (operands, dy, case) = operands(&golden);
        assert_eq!(golden.meta("groups").as_u64(), Some(golden.shape("b")[1] as u64), "{name}: groups");
        for (mode, device) in autodiff_devices() {
            let run = run_plain(Implementation::Op, &operands, &dy, case.softplus, &device, &|_| true);
            let label = |what: &str| format!("{name} ({mode}) {what}");
            failures.relative(&label("y"), &run.y, golden.values("y"), TOLERANCE);
            let last_state = run.last_state.expect("the plain form returns it");
            failures.relative(&label("last_state"), &last_state, golden.values("last_state"), TOLERANCE);
            assert_eq!(run.gradients.len(), operands.len(), "{name}: one gradient an operand");
            for (operand, gradient) in run.gradients {
                let key = if operand == "skip" { "dd".to_owned() } else { format!("d{operand}") };
                failures.relative(&label(&key), &gradient, golden.values(&key), TOLERANCE);
            }
        }
    }
    failures.finish();
}

#[test]
fn the_eight_orders_and_their_merge_reproduce_every_golden_file() {
    let mut failures = Failures::default();
    let names = golden_names("omni_");
    assert_eq!(names.len(), 3, "golden maps: {names:?}");
    for name in names {
        let golden = Golden::open(&name);
        let [batch, channels, height, width] = *golden.shape("x") else { panic!("{name}: a map has four dimensions") };
        let sequences = reference::cross_scan(golden.tensor("x", &device()), Directions::Eight);
        failures.absolute(&format!("{name} xs"), &values(sequences), golden.values("xs"), 0.0);
        let ys = golden.tensor::<5>("ys", &device()).reshape([batch, 8, channels, height * width]);
        let merged = reference::cross_merge(ys, Directions::Eight, height, width);
        failures.relative(&format!("{name} merged"), &values(merged), golden.values("merged"), 1e-6);
    }
    failures.finish();
}
