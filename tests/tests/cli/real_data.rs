//! The real samples beside the project, where they are.

use super::fixture::{Fixture, SMALL};
use std::path::{Path, PathBuf};

/// A folder of `../shared/data`, or a visible word that it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    // past the test harness, which keeps the output of passing tests to itself
    use std::io::Write;
    let line = format!("skipped: ../shared/data/{name} is absent\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    None
}

/// Trains for a moment on real files: every image is read, scored and drawn.
fn train_for_a_moment(task: &str, name: &str) {
    let Some(data) = shared(name) else { return };
    let fixture = Fixture::new();
    let data = data.canonicalize().expect("a path");
    let mut arguments = vec!["train", "--task", task, "--data", data.to_str().expect("text"), "--out", "run"];
    arguments.extend(SMALL);
    // later values win: large crops, so that an unoptimised build gets through them
    arguments.extend(["--max-minutes", "0.1", "--crop", "512", "--epochs", "1"]);
    let report = fixture.json(&arguments.iter().copied().collect::<Vec<_>>());
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
