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

    for name in ["s1.png", "s3.png"] {
        fs::write(fixture.path("seg/train/image").join(name), "no image").expect("written");
    }
    let ran = fixture.run(&["data", "check", "--data", "seg", "--task", "ss"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let problems = lines(&ran.stdout)[0]["problems"].as_array().expect("a list").clone();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].as_str().is_some_and(|text| text.contains("s1.png")), "{problems:?}");
    assert!(ran.stderr.contains("error: 2 scene(s) of seg have to be mended"), "{}", ran.stderr);
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
