//! The real samples beside the project, where they are.

use super::fixture::Fixture;
use burn_rsmamba_tests::fixtures::shared_data;

/// Trains for a moment on real files: every image is read, scored and drawn.
fn train_for_a_moment(task: &str, name: &str) {
    let Some(data) = shared_data(name) else { return };
    let fixture = Fixture::new();
    let report = fixture.json(&[
        "train",
        "--task",
        task,
        "--data",
        data.to_str().expect("text"),
        "--out",
        "run",
        "--preset",
        "micro",
        "--set",
        "model.dims=[4, 8, 16, 32]",
        "--set",
        "model.depths=[1, 1, 1, 1]",
        "--crop",
        "512",
        "--epochs",
        "1",
        "--max-minutes",
        "0.1",
    ]);
    assert!(report["f1"].is_number(), "{report}");
}

#[test]
fn levir_in_its_own_layout() {
    train_for_a_moment("cd", "levir-cd");
}

#[test]
fn massachusetts_in_its_own_layout() {
    train_for_a_moment("ss", "massachusetts-roads");
}
