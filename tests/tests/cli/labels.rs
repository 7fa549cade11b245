//! Maps beside labels: the scores of `predict --labels`, the pictures of errors, the minimum mapping unit of `eval`.

use super::fixture::{Fixture, halving_threshold, scene, trained, write, write_geotiff, write_label};
use burn_rsmamba_datasets::GeoTags;
use image::{GrayImage, Luma, RgbImage};
use serde_json::Value;
use std::collections::BTreeMap;

fn grey(fixture: &Fixture, name: &str) -> GrayImage {
    image::open(fixture.path(name)).expect("a picture").to_luma8()
}

#[test]
fn predict_scores_what_eval_scores_and_shows_the_errors() {
    let fixture = trained();
    let images = ["predict", "--model", "run", "--input", "seg/test/image", "--labels", "seg/test/label", "--out"];
    fixture.json(&[&images[..], &["first", "--prob"]].concat());
    let threshold = halving_threshold(&fixture.path("first/s0_prob.tif"));
    let objects = ["--threshold", threshold.as_str(), "--min-area", "30"];
    let ran = fixture.run(&[&images[..], &["maps", "--html"], &objects].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    let windows = ["--window", "32", "--overlap", "8", "--blend", "cosine"];
    let eval = ["eval", "--model", "run", "--data", "seg", "--split", "test", "--csv", "scores.csv"];
    let evaluated = fixture.json(&[&eval[..], &windows, &objects].concat());
    let plain = fixture.json(&[&eval[..], &windows, &objects[..2]].concat());
    assert_ne!(plain["tp"].as_u64().zip(plain["fp"].as_u64()), evaluated["tp"].as_u64().zip(evaluated["fp"].as_u64()));

    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        let mask = grey(&fixture, &format!("maps/s{index}_mask.png"));
        let label = grey(&fixture, &format!("seg/test/label/s{index}.png"));
        let errors = image::open(fixture.path(&format!("maps/s{index}_errors.png"))).expect("errors").to_rgb8();
        let mut counts: BTreeMap<&str, u64> = ["tp", "fp", "fn", "tn"].map(|kind| (kind, 0)).into();
        for ((mask, label), errors) in mask.pixels().zip(label.pixels()).zip(errors.pixels()) {
            let (kind, colour) = match (mask.0[0] == 255, label.0[0] == 255) {
                (true, true) => ("tp", [255, 255, 255]),
                (true, false) => ("fp", [230, 50, 50]),
                (false, true) => ("fn", [60, 110, 255]),
                (false, false) => ("tn", [0, 0, 0]),
            };
            *counts.get_mut(kind).expect("a kind") += 1;
            assert_eq!(errors.0, colour);
        }
        for (kind, count) in counts {
            assert_eq!(line["scores"][kind], count, "{kind} of {line}");
            *sums.entry(kind).or_default() += count;
        }
    }
    for (kind, count) in sums {
        assert_eq!(evaluated[kind], count, "{kind}");
    }
    let f1 = evaluated["f1"].as_f64().expect("a number");
    assert!(ran.stderr.contains(&format!("all images: F1 {f1:.4}")), "{}", ran.stderr);
    let page = std::fs::read_to_string(fixture.path("maps/index.html")).expect("the page");
    assert!(page.contains("Beside the label") && page.contains("s0_errors.png"));
}

#[test]
fn labels_that_do_not_fit_are_refused_before_the_work() {
    let fixture = trained();
    write(&fixture.path("in/a.png"), &scene(0).0);
    write_label(&fixture.path("small/a.png"), &GrayImage::from_pixel(32, 64, Luma([0])));
    write_label(&fixture.path("odd/a.png"), &GrayImage::from_fn(64, 64, |x, _| Luma([(x % 3) as u8])));
    write_label(&fixture.path("other/b.png"), &scene(0).1);
    write_label(&fixture.path("other/c.png"), &scene(0).1);
    let predict = |labels| ["predict", "--model", "run", "--input", "in", "--out", "maps", "--labels", labels];
    let error = fixture.error(1, &predict("small"));
    assert!(error.contains("small/a.png") && error.contains("32x64") && error.contains("64x64"), "{error}");
    let error = fixture.error(1, &predict("odd"));
    assert!(error.contains("odd/a.png") && error.contains("0, 1, 2"), "{error}");
    let error = fixture.error(1, &predict("other"));
    assert!(error.contains("in/a.png") && error.contains("other"), "{error}");
    assert!(!fixture.path("maps/a_mask.png").exists(), "nothing was mapped");

    let rule = [&predict("odd")[..], &["--label-rule", "map:2"]].concat();
    let report = fixture.json(&rule);
    let label = RgbImage::from_fn(64, 64, |x, _| image::Rgb([u8::from(x % 3 == 2); 3]));
    let target = label.pixels().filter(|pixel| pixel.0[0] == 1).count() as u64;
    let count = |kind: &str| report["scores"][kind].as_u64().expect("a count");
    assert_eq!(count("tp") + count("fn"), target, "{report}");
    let ran = fixture.run(&["predict", "--model", "run", "--input", "in", "--out", "m", "--label-rule", "nonzero"]);
    assert!(ran.code == 2 && ran.stderr.contains("--labels"), "{}", ran.stderr);
    let error = fixture.error(2, &["eval", "--model", "run", "--data", "seg", "--split", "test", "--min-area", "3u2"]);
    assert!(error.contains("--min-area") && error.contains("pixels"), "{error}");
}

#[test]
fn a_resumed_run_scores_what_was_finished_before() {
    let fixture = trained();
    let images = ["predict", "--model", "run", "--input", "seg/test/image", "--labels", "seg/test/label", "--out", "m"];
    let line = |arguments: &[&str]| {
        let ran = fixture.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let line = ran.stderr.lines().find(|line| line.contains("all images")).expect("a sum").to_owned();
        (ran.stdout.lines().count(), line)
    };
    let (count, all) = line(&images);
    assert_eq!(count, 2);
    let (mask, errors) = (fixture.path("m/s1_mask.png"), fixture.path("m/s1_errors.png"));
    for (lost, mapped) in [(&errors, 0), (&mask, 1)] {
        std::fs::remove_file(lost).expect("there");
        assert_eq!(line(&[&images[..], &["--resume"]].concat()), (mapped, all.clone()));
        assert!(mask.is_file() && errors.is_file(), "a picture of errors needs no mapping");
    }
}

#[test]
fn pixels_without_data_count_nowhere() {
    let fixture = trained();
    let (mut image, label) = scene(0);
    for (x, y) in (0..10).flat_map(|x| (0..12).map(move |y| (x, y))) {
        image.put_pixel(x, y, image::Rgb([7; 3]));
    }
    let tags = GeoTags { nodata: Some(7.0), ..GeoTags::default() };
    write_geotiff(&fixture.path("holes/test/image/a.tif"), &image, &tags);
    write_label(&fixture.path("holes/test/label/a.png"), &label);
    let predict = ["predict", "--model", "run", "--input", "holes/test/image", "--labels", "holes/test/label"];
    let line = fixture.json(&[&predict[..], &["--out", "maps"]].concat());
    let eval = ["eval", "--model", "run", "--data", "holes", "--split", "test"];
    let evaluated = fixture.json(&[&eval[..], &["--window", "32", "--overlap", "8", "--blend", "cosine"]].concat());
    let counts = |report: &Value| ["tp", "fp", "fn", "tn"].map(|kind| report[kind].as_u64().expect("a count"));
    assert_eq!(counts(&line["scores"]).iter().sum::<u64>(), 64 * 64 - 10 * 12, "{line}");
    assert_eq!(counts(&evaluated), counts(&line["scores"]));
}
