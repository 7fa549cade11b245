//! Losses, thresholds, ignored pixels and several classes, from training to evaluation; what a run leaves for people.

use super::fixture::{Fixture, holds, kill_when, scene, train, trained, write, write_label};
use burn_rsmamba_datasets::{Pixels, RasterFile};
use geojson::FeatureCollection;
use image::{Luma, RgbImage};
use serde_json::Value;
use std::{fs, path::PathBuf};

/// Squares of class 2 on ground of class 0, with a stripe of class 1 below; the first columns hold 255 in place of a class.
fn classes(fixture: &Fixture) -> PathBuf {
    let root = fixture.path("classes");
    for (split, count) in [("train", 4), ("val", 2), ("test", 2)] {
        for index in 0..count {
            let (mut image, mut label) = scene(index);
            for (x, y, pixel) in label.enumerate_pixels_mut() {
                let class = if y >= 52 { 1 } else { pixel.0[0] / 255 * 2 };
                *pixel = Luma([if x < 4 { 255 } else { class }]);
                if y >= 52 {
                    image.get_pixel_mut(x, y).0 = [20, 40, 200];
                }
            }
            write(&root.join(split).join("image").join(format!("s{index}.png")), &image);
            write_label(&root.join(split).join("label").join(format!("s{index}.png")), &label);
        }
    }
    root
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The epochs of a run.
fn metrics(fixture: &Fixture, run: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture.path(run).join("metrics.jsonl")).expect("metrics");
    text.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

#[test]
fn the_best_threshold_of_the_validation_goes_with_the_weights() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let report = fixture.json(&train("ss", data, "best", &["--epochs", "3"]));
    let rows = metrics(&fixture, "best");
    let best = rows.iter().find(|row| row["epoch"] == report["best_epoch"]).expect("the best epoch");
    assert_eq!(best["threshold"], report["threshold"]);
    // On the validation split itself no other threshold does better.
    let at = |threshold: Option<&str>| {
        let mut arguments = vec!["eval", "--model", "best", "--data", data, "--split", "val"];
        arguments.extend(threshold.iter().flat_map(|threshold| ["--threshold", threshold]));
        number(&fixture.json(&arguments), "f1")
    };
    let found = at(None);
    assert!((found - number(best, "f1")).abs() < 1e-9, "{found} {best}");
    for other in ["0.1", "0.3", "0.5", "0.7", "0.9"] {
        assert!(at(Some(other)) <= found + 1e-9, "{other}");
    }
    let fixed = fixture.json(&train("ss", data, "fixed", &["--epochs", "1", "--threshold", "0.25"]));
    assert_eq!(fixed["threshold"], 0.25);
}

#[test]
fn the_resolution_of_the_training_goes_with_the_weights() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let report = fixture.json(&train("ss", data, "run", &["--epochs", "1", "--downsample", "2"]));
    let eval = ["eval", "--model", "run", "--data", data, "--split", "test"];
    let pixels = |scores: &Value| ["tp", "fp", "fn", "tn"].map(|kind| number(scores, kind)).iter().sum::<f64>();
    let scores = fixture.json(&eval);
    assert_eq!((pixels(&scores), &scores["f1"]), (2.0 * 32.0 * 32.0, &report["f1"]));
    let full = fixture.json(&[&eval[..], &["--downsample", "1"]].concat());
    assert!((pixels(&full) - 2.0 * 64.0 * 64.0).abs() < 0.5, "{full}");
    let input = format!("{data}/test/image");
    let ran = fixture.run(&["predict", "--model", "run", "--input", &input, "--out", "maps"]);
    assert!(ran.code == 0 && ran.stderr.contains("2 times smaller"), "{}", ran.stderr);
}

#[test]
fn every_loss_trains_and_each_is_another() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let mut losses = Vec::new();
    for (run, flags) in [
        ("official", &["--loss", "bce-dice"][..]),
        ("weighted", &["--pos-weight", "3"]),
        ("focal", &["--loss", "focal"]),
        ("balanced", &["--loss", "focal", "--class-weights", "0.25,0.75", "--set", "focal_gamma=1"]),
    ] {
        fixture.json(&train("ss", data, run, &[&["--epochs", "1"], flags].concat()));
        losses.push(number(&metrics(&fixture, run)[0], "valid_loss"));
    }
    for (index, loss) in losses.iter().enumerate() {
        assert!(loss.is_finite() && *loss > 0.0, "{losses:?}");
        assert!(losses[..index].iter().all(|other| (other - loss).abs() > 1e-4), "{losses:?}");
    }
    let mistakes: [(&[&str], &str); 5] = [
        (&["--loss", "ce-dice"], "two classes"),
        (&["--classes", "3"], "ce-dice"),
        (&["--pos-weight=-1"], "pos_weight"),
        (&["--loss", "focal", "--pos-weight", "2"], "class_weights"),
        (&["--threshold", "worst"], "best"),
    ];
    for (flags, expected) in mistakes {
        let ran = fixture.run(&train("ss", data, "no", flags));
        assert_eq!(ran.code, 2, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{flags:?}: {}", ran.stderr);
    }
}

#[test]
fn several_classes_and_ignored_pixels_from_training_to_scores() {
    let fixture = Fixture::new();
    let data = classes(&fixture);
    let data = data.to_str().expect("text");
    let flags = ["--epochs", "12", "--classes", "3", "--loss", "ce-dice", "--lr", "0.01"];
    // Without a word about them, 255 is no class.
    let error = fixture.error(1, &train("ss", data, "run", &flags));
    assert!(error.contains("255") && error.contains("ignore:255:classes:3"), "{error}");
    let report = fixture.json(&train("ss", data, "run", &[&flags[..], &["--ignore-index", "255"]].concat()));
    let classes = report["classes"].as_array().expect("classes");
    let mean = classes.iter().map(|class| number(class, "iou")).sum::<f64>() / 3.0;
    assert!((mean - number(&report, "iou")).abs() < 1e-12, "{report}");
    assert!(number(&report, "accuracy") > 0.6, "it learns something: {report}");
    assert_eq!(report["threshold"], Value::Null);

    let eval = ["eval", "--model", "run", "--data", data, "--split", "test", "--ignore-index", "255"];
    let scores = fixture.json(&eval);
    assert_eq!(scores["confusion"], report["confusion"]);
    let confusion: Vec<Vec<u64>> = serde_json::from_value(scores["confusion"].clone()).expect("rows of counts");
    let pixels: u64 = confusion.concat().iter().sum();
    assert_eq!(pixels, 2 * 64 * 60, "four columns of each image count nowhere");
    let error = fixture.error(2, &[&eval[..], &["--label-rule", "nonzero"]].concat());
    assert!(error.contains("nonzero") && error.contains("classes:3"), "{error}");
    for flags in [&["--threshold", "0.4"][..], &["--min-area", "9"]] {
        let error = fixture.error(2, &[&eval[..], flags].concat());
        assert!(error.contains(flags[0]), "{error}");
    }

    // Whole images, turned, with a line an image and class, and maps of errors.
    let whole = ["--whole", "--tta", "--csv", "images.csv", "--maps", "errors"];
    let scores = fixture.json(&[&eval[..], &whole].concat());
    let table = fs::read_to_string(fixture.path("images.csv")).expect("a table");
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let lines: Vec<_> = rows.iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(lines, [("s0", "0"), ("s0", "1"), ("s0", "2"), ("s1", "0"), ("s1", "1"), ("s1", "2")]);
    let right: u64 = rows.iter().map(|row| row[8].parse::<u64>().expect("a count")).sum();
    let confusion: Vec<Vec<u64>> = serde_json::from_value(scores["confusion"].clone()).expect("rows of counts");
    assert_eq!(right, (0..3).map(|class| confusion[class][class]).sum::<u64>());
    let map = image::open(fixture.path("errors/s0_errors.png")).expect("a map").to_rgb8();
    assert_eq!(map.pixels().filter(|pixel| pixel.0 == [70; 3]).count(), 4 * 64, "what does not count is grey");
    classes_are_mapped(&fixture, data, &scores["confusion"]);
    classes_are_resumed(&fixture);
}

/// A map of three classes that was killed in the middle goes on to the same files.
fn classes_are_resumed(fixture: &Fixture) {
    let tall = RgbImage::from_fn(64, 1600, |x, y| *scene(y / 64 % 4).0.get_pixel(x, y % 64));
    write(&fixture.path("tall.png"), &tall);
    let predict = |out| ["predict", "--model", "run", "--input", "tall.png", "--out", out, "--prob", "--polygons"];
    let whole = fixture.json(&predict("whole"));
    let journal = fixture.path("parts/tall_unfinished");
    // a number for each class of each pixel
    let some_rows = 3 * 40 * 64 * 4;
    kill_when(&mut fixture.command(&predict("parts")), "a record of some rows", || holds(&journal, some_rows));
    let resumed = fixture.json(&[&predict("parts")[..], &["--resume"]].concat());
    assert_eq!(resumed["classes"], whole["classes"]);
    for name in ["tall_mask.png", "tall_prob.tif", "tall_polygons.geojson"] {
        let read = |out: &str| fs::read(fixture.path(out).join(name)).expect("a file");
        assert!(read("whole") == read("parts"), "{name} differs");
    }
    assert!(!journal.exists());
}

/// `predict` with a model of three classes, run whole and turned, makes the errors of `eval`.
fn classes_are_mapped(fixture: &Fixture, data: &str, confusion: &Value) {
    let (input, labels) = (format!("{data}/test/image"), format!("{data}/test/label"));
    let base = ["predict", "--model", "run", "--input", &input, "--out", "maps", "--whole", "--tta"];
    let error = fixture.error(2, &[&base[..], &["--min-area", "9"]].concat());
    assert!(error.contains("--min-area") && error.contains("one class"), "{error}");
    let more = ["--labels", &labels, "--ignore-index", "255", "--prob", "--polygons", "--overlay", "--html"];
    let ran = fixture.run(&[&base[..], &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut sums = vec![vec![0; 3]; 3];
    for (index, line) in ran.stdout.lines().enumerate() {
        let report: Value = serde_json::from_str(line).expect("JSON");
        let here: Vec<Vec<u64>> = serde_json::from_value(report["scores"]["confusion"].clone()).expect("counts");
        sums.iter_mut().flatten().zip(here.concat()).for_each(|(sum, count)| *sum += count);

        let file = |kind: &str| fixture.path("maps").join(format!("s{index}_{kind}"));
        let mask = image::open(file("mask.png")).expect("a mask").to_luma8();
        let pixels = |class: u8| mask.pixels().filter(|pixel| pixel.0[0] == class).count();
        assert_eq!((0..3).map(pixels).sum::<usize>(), 64 * 64, "every pixel has a class");
        let shares: Vec<f64> = serde_json::from_value(report["classes"].clone()).expect("shares");
        for class in 0..3 {
            assert!((shares[usize::from(class)] - pixels(class) as f64 / 4096.0).abs() < 1e-12, "{report}");
        }
        // The likeliest of three has at least a third.
        let mut probability = RasterFile::open(&file("prob.tif")).expect("a file");
        let Pixels::F32(values) = probability.window(0, 0, 64, 64).expect("pixels").pixels else { panic!("floats") };
        assert!(values.iter().all(|value| (1.0 / 3.0 - 1e-6..=1.0 + 1e-6).contains(value)));

        let text = fs::read_to_string(file("polygons.geojson")).expect("polygons");
        let objects: FeatureCollection = text.parse().expect("GeoJSON");
        let mut found = [0; 3];
        for feature in &objects.features {
            let number = |key: &str| feature.property(key).and_then(Value::as_u64).expect("a number") as usize;
            found[number("class")] += number("pixels");
        }
        assert_eq!(found, [0, 1, 2].map(pixels), "polygons of each class have its pixels");
        assert!(file("overlay.png").is_file() && file("errors.png").is_file());
    }
    assert_eq!(serde_json::json!(sums), *confusion);
    // compared with another map of classes
    let whole = ["predict", "--model", "run", "--input", &input, "--out", "other", "--window", "32", "--overlap", "0"];
    assert_eq!(fixture.run(&whole).code, 0);
    let compare = ["data", "compare", "--first", "maps", "--second", "other"];
    let error = fixture.error(1, &compare);
    assert!(error.contains("--classes"), "{error}");
    let compared = fixture.run(&[&compare[..], &["--classes"]].concat());
    assert_eq!(compared.code, 0, "{}", compared.stderr);
    for line in compared.stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let name = line["name"].as_str().expect("a name");
        let read = |out: &str| image::open(fixture.path(out).join(format!("{name}.png"))).expect("a mask").to_luma8();
        let (one, two) = (read("maps"), read("other"));
        let differ = one.pixels().zip(two.pixels()).filter(|(one, two)| one != two).count();
        assert_eq!((&line["differ"], &line["pixels"]), (&serde_json::json!(differ), &serde_json::json!(64 * 64)));
    }
    let page = fs::read_to_string(fixture.path("maps/index.html")).expect("a page");
    assert!(page.contains("Class 2") && !page.contains("Threshold"), "{page}");
}

#[test]
fn evaluation_writes_a_table_and_maps_of_errors() {
    let fixture = trained();
    let eval =
        ["eval", "--model", "run", "--data", "seg", "--split", "test", "--csv", "images.csv", "--maps", "errors"];
    let scores = fixture.json(&[&eval[..], &["--overlap", "8"]].concat());
    assert_eq!((&scores["crop"], &scores["overlap"]), (&32.into(), &8.into()));
    let table = fs::read_to_string(fixture.path("images.csv")).expect("a table");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0][..3], ["image", "class", "precision"]);
    let settings =
        ["threshold", "crop", "overlap", "blend", "tta", "min_area", "fill_holes", "downsample", "skip_blank"];
    assert_eq!(rows[0][12..], settings);
    assert!(rows[1][12].parse::<f32>().is_ok_and(|threshold| (0.0..=1.0).contains(&threshold)), "{:?}", rows[1]);
    assert_eq!((rows.len(), rows[1][0], rows[2][0]), (3, "s0", "s1"));
    assert_eq!(rows[1][13..], ["32", "8", "cosine", "false", "", "false", "1", "true"]);
    let errors: u64 =
        rows[1..].iter().flat_map(|row| &row[9..11]).map(|count| count.parse::<u64>().expect("a count")).sum();
    let wrong = |name: &str| {
        let map = image::open(fixture.path("errors").join(name)).expect("a map").to_rgb8();
        map.pixels().filter(|pixel| pixel.0[0] != pixel.0[1]).count() as u64
    };
    assert_eq!(wrong("s0_errors.png") + wrong("s1_errors.png"), errors, "coloured pixels are the wrong ones");
    assert_eq!(errors, scores["fp"].as_u64().expect("fp") + scores["fn"].as_u64().expect("fn"));
}

#[test]
fn a_run_ends_with_a_page_that_can_be_written_again() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "2"]));
    let read = || fs::read_to_string(fixture.path("run/report.html")).expect("a page");
    let page = read();
    for part in ["<polyline", "data:image/png;base64,", "best_threshold", "preset = ", "s1: F1"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(fixture.path("run/curves.svg").is_file() && fixture.path("run/scores.json").is_file());
    fs::remove_file(fixture.path("run/report.html")).expect("removed");
    let report = fixture.json(&["report", "--run", "run"]);
    assert_eq!(report["report"], "run/report.html");
    assert_eq!(read(), page);
    let error = fixture.error(1, &["report", "--run", "absent"]);
    assert!(error.contains("absent") && error.contains("config.toml"), "{error}");
    assert!(!fixture.path("absent").exists());
}

#[test]
fn training_in_half_precision_goes_the_same_way() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let data = data.to_str().expect("text");
    let losses = |run: &str, precision: &str| -> Vec<f64> {
        fixture.json(&train("ss", data, run, &["--epochs", "2", "--threshold", "0.5", "--precision", precision]));
        metrics(&fixture, run).iter().map(|row| number(row, "train_loss")).collect()
    };
    let (single, half) = (losses("single", "f32"), losses("half", "bf16"));
    assert_ne!(single, half, "bf16 rounds");
    for (single, half) in single.iter().zip(&half) {
        assert!((single - half).abs() < 0.02 * single, "{single} {half}");
    }
    assert!(fs::read_to_string(fixture.path("half/config.toml")).expect("a config").contains("precision = \"bf16\""));
    let f1 = |precision: &str| {
        let model = ["eval", "--model", "half", "--data", data, "--split", "test", "--precision", precision];
        number(&fixture.json(&model), "f1")
    };
    let (single, half) = (f1("f32"), f1("f16"));
    assert!((single - half).abs() < 0.05, "{single} {half}");
}
