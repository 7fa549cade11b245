//! `data check` and `data stats`, and training on what they measured.

use super::fixture::{Fixture, train};
use serde_json::Value;
use std::fs;

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn check_looks_at_every_file_and_lists_all_that_is_wrong() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let ran = fixture.run(&["data", "check", "--data", "seg", "--task", "ss"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let splits = lines(&ran.stdout);
    assert_eq!(splits.len(), 3);
    assert_eq!(splits[0]["split"], "train");
    assert_eq!((splits[0]["scenes"].as_u64(), splits[0]["sizes"]["64x64"].as_u64()), (Some(4), Some(4)));
    assert_eq!(splits[0]["samples"]["3 bands, 8-bit"], 4);
    // squares of 24 by 20 in images of 64 by 64
    let target = splits[0]["target"].as_f64().expect("a share");
    assert!((target - 480.0 / 4096.0).abs() < 1e-9, "{target}");
    assert_eq!(splits[0]["classes"], serde_json::json!([1.0 - target, target]));
    assert_eq!(splits[0]["label_values"], serde_json::json!({"0": 4 * (4096 - 480), "255": 4 * 480}));
    // and for people
    for line in ["split         train (", "image sizes   4 of 64x64", "label values  0 (88.28 %), 255 (11.72 %)"] {
        assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
    }

    for name in ["s1.png", "s3.png"] {
        fs::write(fixture.path("seg/train/image").join(name), "no image").expect("written");
    }
    let ran = fixture.run(&["data", "check", "--data", "seg", "--task", "ss"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let problems = lines(&ran.stdout)[0]["problems"].as_array().expect("a list").clone();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].as_str().is_some_and(|text| text.contains("s1.png")), "{problems:?}");
    assert!(ran.stderr.contains("error: 2 problem(s) of seg have to be mended"), "{}", ran.stderr);
}

#[test]
fn training_takes_what_stats_measures() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let stats = fixture.json(&["data", "stats", "--data", "seg", "--task", "ss"]);
    fixture.json(&train("ss", "seg", "run", &["--epochs", "1", "--normalisation", "measured"]));
    let header = fs::read(fixture.path("run/last.safetensors")).expect("weights");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&header).expect("a header");
    let description = &metadata.metadata().as_ref().expect("a description")["burn-rsmamba"];
    let description: Value = serde_json::from_str(description).expect("JSON");
    assert_eq!(description["normalisation"]["mean"], stats["mean"]);
    assert_eq!(description["normalisation"]["std"], stats["std"]);
}

#[test]
fn counts_that_differ_are_warned_of_and_change_nothing() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let ran = fixture.run(&["data", "check", "--data", "seg", "--task", "ss"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let warning = "train: 4 scenes, where WHU Building has 4736; check the download, unless this is meant";
    assert_eq!(lines(&ran.stdout)[0]["warnings"][0], warning);
    let ran = fixture.run(&train("ss", "seg", "run", &["--epochs", "1"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("warning: {warning}")), "{}", ran.stderr);
    let ran = fixture.run(&["eval", "--model", "run", "--data", "seg", "--split", "test"]);
    assert!(ran.stderr.contains("warning: test: 2 scenes, where WHU Building has 2416"), "{}", ran.stderr);
}

#[test]
fn unpaired_files_are_an_error_unless_they_are_allowed() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&train("ss", "seg", "whole", &["--epochs", "1"]));
    for split in ["train", "test"] {
        fs::remove_file(fixture.path(&format!("seg/{split}/label/s1.png"))).expect("there");
    }
    let check = ["data", "check", "--data", "seg", "--task", "ss"];
    let ran = fixture.run(&check);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let train_split = &lines(&ran.stdout)[0];
    assert_eq!(train_split["scenes"], 3, "the others are looked at");
    let problem = train_split["problems"][0].as_str().expect("a problem");
    assert!(problem.ends_with("label has no label for s1; add it, or remove its partner"), "{problem}");
    let stats = fixture.error(1, &["data", "stats", "--data", "seg", "--task", "ss"]);
    assert!(stats.contains("has no label for s1") && stats.contains("--allow-unpaired"), "{stats}");
    let ran = fixture.run(&[&check[..], &["--allow-unpaired"]].concat());
    assert!(ran.code == 0 && ran.stdout.contains("label has no label for s1; left out"), "{}", ran.stderr);
    let eval = ["eval", "--model", "whole", "--data", "seg", "--split", "test"];
    let trained = train("ss", "seg", "run", &["--epochs", "1"]);
    for arguments in [&eval[..], &trained[..]] {
        let error = fixture.error(1, arguments);
        assert!(error.contains("label has no label for s1; add what is missing, remove the others or"), "{error}");
        let ran = fixture.run(&[arguments, &["--allow-unpaired"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("label has no label for s1; left out"), "{said}");
    }
    let config = fs::read_to_string(fixture.path("run/config.toml")).expect("a config");
    assert!(config.contains("allow_unpaired = true"), "{config}");
    // a run goes on as it began
    fixture.json(&train("ss", "seg", "run", &["--resume", "--epochs", "2"]));
}
