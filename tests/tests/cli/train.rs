//! Training: run folder, repeatability, resume, interruption.

use super::fixture::{Fixture, train};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The losses of every epoch, which any difference anywhere would change.
fn losses(run: &Path) -> Vec<(u64, f64, f64)> {
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} in {row}"));
    metrics(run)
        .iter()
        .map(|row| (row["epoch"].as_u64().expect("an epoch"), number(row, "train_loss"), number(row, "valid_loss")))
        .collect()
}

#[test]
fn a_run_leaves_everything_that_is_promised_and_repeats_exactly() {
    let fixture = Fixture::new();
    for (task, data) in [("ss", fixture.segmentation("seg")), ("cd", fixture.change("change"))] {
        let data = data.to_str().expect("text");
        let (first, second) = (format!("runs/{task}-1"), format!("runs/{task}-2"));
        let report = fixture.json(&train(task, data, &first, &["--epochs", "2"]));
        for key in ["run", "best_epoch", "precision", "recall", "f1", "iou", "accuracy", "kappa", "threshold"] {
            assert!(report.get(key).is_some_and(|value| !value.is_null()), "{task}: {key} in {report}");
        }
        let run = fixture.path(&first);
        for file in ["config.toml", "metrics.jsonl", "best.safetensors", "last.safetensors", "last.state"] {
            assert!(run.join(file).metadata().is_ok_and(|file| file.len() > 0), "{task}: {file}");
        }
        let pictures = fs::read_dir(run.join("predictions")).expect("pictures").count();
        assert_eq!(pictures, 2, "{task}: one picture a test scene");
        let rows = metrics(&run);
        assert_eq!(rows.len(), 2);
        for key in ["epoch", "train_loss", "valid_loss", "lr", "seconds", "f1"] {
            assert!(rows[1].get(key).is_some_and(|value| !value.is_null()), "{task}: {key} in {}", rows[1]);
        }

        // from the run folder alone, and with one thread
        let config = format!("{first}/config.toml");
        let mut command = fixture.command(&["train", "--config", &config, "--out", &second]);
        let output = command.env("RAYON_NUM_THREADS", "1").output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(losses(&run), losses(&fixture.path(&second)), "{task}: the same losses");
        let weights = |run: &str| fs::read(fixture.path(run).join("last.safetensors")).expect("weights");
        let same = weights(&first) == weights(&second);
        assert!(same, "{task}: the same weights");

        let other = format!("runs/{task}-3");
        fixture.json(&["train", "--config", &config, "--out", &other, "--seed", "7"]);
        assert_ne!(losses(&run), losses(&fixture.path(&other)), "{task}: another seed, another run");
    }
}

#[test]
fn a_run_that_goes_on_ends_where_one_in_a_piece_ends() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let with_drop_path = |epochs| ["--epochs", epochs, "--set", "model.drop_path=0.2"];
    fixture.json(&train("ss", data, "whole", &with_drop_path("4")));
    fixture.json(&train("ss", data, "parts", &with_drop_path("2")));
    fixture.json(&["train", "--out", "parts", "--resume", "--epochs", "4"]);
    let (whole, parts) = (losses(&fixture.path("whole")), losses(&fixture.path("parts")));
    assert_eq!(whole.len(), 4);
    assert_eq!(whole, parts);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_last_checkpoint_and_the_run_goes_on_from_it() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let arguments = train("ss", data.to_str().expect("text"), "run", &["--epochs", "100000"]);
    let child = fixture
        .command(&arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let run = fixture.path("run");
    let started = std::time::Instant::now();
    while !run.join("metrics.jsonl").exists() {
        assert!(started.elapsed() < Duration::from_mins(2), "no epoch in two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let last = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(last.lines().last().expect("a line")).expect("JSON");
    assert_eq!(report["interrupted"], true);
    assert!(stderr.contains("--resume"), "{stderr}");

    let done = metrics(&run).len();
    let epochs = (done + 2).to_string();
    let report = fixture.json(&["train", "--out", "run", "--resume", "--epochs", &epochs]);
    assert!(report.get("f1").is_some(), "{report}");
    let epochs: Vec<u64> = metrics(&run).iter().map(|row| row["epoch"].as_u64().expect("an epoch")).collect();
    assert_eq!(epochs, (1..=done as u64 + 2).collect::<Vec<_>>(), "no epoch twice and none left out");
}

#[test]
fn an_existing_run_is_neither_overwritten_nor_mixed() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    fixture.json(&train("ss", data, "run", &["--epochs", "1"]));
    let error = fixture.error(2, &train("ss", data, "run", &["--epochs", "1"]));
    assert!(error.contains("run") && error.contains("--resume") && error.contains("--force"), "{error}");
    fixture.json(&train("ss", data, "run", &["--epochs", "1", "--force"]));
    let error = fixture.error(1, &["train", "--out", "absent", "--resume"]);
    assert!(error.contains("absent"), "{error}");
}

#[test]
fn the_time_limit_stops_training_but_not_the_scoring() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let started = std::time::Instant::now();
    let report = fixture.json(&train(
        "ss",
        data.to_str().expect("text"),
        "run",
        &["--epochs", "100000", "--max-minutes", "0.05"],
    ));
    assert!(report["f1"].is_number(), "{report}");
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

#[test]
fn evaluation_repeats_the_score_of_the_training_report() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let report = fixture.json(&train("ss", data, "run", &["--epochs", "2"]));
    let scores = fixture.json(&["eval", "--model", "run", "--data", data, "--split", "test", "--json", "scores.json"]);
    for key in ["precision", "recall", "f1", "iou", "accuracy", "kappa", "threshold"] {
        assert_eq!(scores[key], report[key], "{key}");
    }
    for key in ["tp", "fp", "fn", "tn", "crop", "overlap", "images"] {
        assert!(scores[key].is_number(), "{key} in {scores}");
    }
    let pixels: u64 = ["tp", "fp", "fn", "tn"].iter().filter_map(|key| scores[*key].as_u64()).sum();
    assert_eq!(pixels, 2 * 64 * 64, "every pixel counts once");
    let file: Value = serde_json::from_slice(&fs::read(fixture.path("scores.json")).expect("written")).expect("JSON");
    assert_eq!(file, scores);
}
