//! Training: run folder, repeatability, resume, interruption.

use super::fixture::{Fixture, files, scene, start_until, train, write, write_label};
use burn_rsmamba_datasets::{GeoTags, Pixels, Raster};
use image::{GrayImage, Luma, Rgb, RgbImage};
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
        let pictures = files(&run.join("predictions"));
        assert_eq!(pictures, [".pictures.jsonl", "s0.png", "s1.png"], "{task}: one picture a test scene");
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
    fixture.json(&train("ss", "seg", "parts", &with_drop_path("2")));
    // from another folder: a run knows where its data are
    fs::create_dir(fixture.path("elsewhere")).expect("made");
    let mut command = fixture.command(&["train", "--out", "../parts", "--resume", "--epochs", "4"]);
    let output = command.current_dir(fixture.path("elsewhere")).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
    let run = fixture.path("run");
    let has_epoch = || run.join("metrics.jsonl").exists();
    let child = start_until(&mut fixture.command(&arguments), "an epoch", has_epoch);
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
fn a_run_that_goes_on_with_other_crops_begins_its_epoch_anew() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    // stopped after the first of eight steps
    fixture.json(&train("ss", "seg", "run", &["--epochs", "2", "--batch", "1", "--max-minutes", "1e-9"]));
    let ran = fixture.run(&["train", "--out", "run", "--resume", "--batch", "8", "--max-minutes", "10"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("epoch 1 begins anew, for its crops differ: crops a step 1, now 8"), "{}", ran.stderr);
    let epochs: Vec<u64> =
        metrics(&fixture.path("run")).iter().map(|row| row["epoch"].as_u64().expect("one")).collect();
    assert_eq!(epochs, [1, 2]);
    // and what was changed is on record
    assert!(ran.stderr.contains("batch was 1 and is 8 from here on"), "{}", ran.stderr);
    let environment = fs::read_to_string(fixture.path("run/environment.jsonl")).expect("lines");
    let last: Value = serde_json::from_str(environment.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["changed"][0], serde_json::json!({"key": "batch", "then": "1", "now": "8"}));
}

#[test]
fn weights_of_a_run_that_was_out_of_time_are_only_replaced_by_better_ones() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&train("ss", "seg", "run", &["--epochs", "6", "--lr", "0.02"]));
    let good = fixture.json(&["train", "--out", "run", "--resume", "--epochs", "8", "--max-minutes", "1e-9"]);
    let weights = || fs::read(fixture.path("run/best.safetensors")).expect("weights");
    let (best, f1) = (weights(), good["f1"].as_f64().expect("a score"));
    assert!(f1 > 0.0, "{good}");
    // what comes next is worse, also in the epoch that was cut off
    let report = fixture.json(&["train", "--out", "run", "--resume", "--lr", "0.6", "--max-minutes", "10"]);
    let after: Vec<f64> =
        metrics(&fixture.path("run"))[6..].iter().map(|row| row["f1"].as_f64().expect("one")).collect();
    assert!(after.len() == 2 && after.iter().all(|&later| later < 0.9 * f1), "{after:?} {f1}");
    assert_eq!((report["f1"].as_f64(), weights() == best), (Some(f1), true));
}

#[test]
fn weights_that_a_step_ruined_do_not_take_the_place_of_good_ones() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&train("ss", "seg", "run", &["--epochs", "2"]));
    let state = || fs::read(fixture.path("run/last.state")).expect("a state");
    let good = state();
    for skip in [&[][..], &["--nonfinite", "skip"]] {
        let flags = ["train", "--out", "run", "--resume", "--epochs", "9", "--lr", "1e36", "--warmup-steps", "0"];
        let often = ["--validate-from", "9", "--checkpoint-every", "1"];
        let error = fixture.error(1, &[&flags[..], &often, skip].concat());
        assert!(error.contains("training broke down in epoch") && error.contains("is kept"), "{error}");
        assert_eq!(error.contains("--nonfinite skip"), skip.is_empty(), "{error}");
        assert!(state() == good, "the good state stays");
    }
    let back = ["train", "--out", "run", "--resume", "--epochs", "3", "--lr", "1e-3", "--validate-from", "1"];
    assert!(fixture.json(&[&back[..], &["--nonfinite", "stop"]].concat())["f1"].is_number());
}

#[test]
fn files_of_others_in_a_run_folder_stay() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&train("ss", "seg", "first", &["--epochs", "1"]));
    for folder in ["run/weights", "run/predictions"] {
        fs::create_dir_all(fixture.path(folder)).expect("made");
        fs::write(fixture.path(folder).join("notes.txt"), "mine").expect("written");
    }
    // as of somebody who maps into the folder of a run
    fs::write(fixture.path("run/predictions/a_mask.png"), "mine").expect("written");
    fs::copy(fixture.path("first/best.safetensors"), fixture.path("run/weights/start.safetensors")).expect("copied");
    let start = ["--epochs", "1", "--init-from", "run/weights/start.safetensors"];
    for force in [&[][..], &["--force"]] {
        fixture.json(&train("ss", "seg", "run", &[&start[..], force].concat()));
        for name in
            ["weights/start.safetensors", "weights/notes.txt", "predictions/notes.txt", "predictions/a_mask.png"]
        {
            assert!(fixture.path("run").join(name).is_file(), "{name}");
        }
    }
    // pictures of scenes that the split has no more do not stay beside those of the others
    assert!(fixture.path("run/predictions/s1.png").is_file());
    for folder in ["image", "label"] {
        fs::remove_file(fixture.path("seg/test").join(folder).join("s1.png")).expect("there");
    }
    let again = train("ss", "seg", "run", &[&start[..2], &["--resume"], &start[2..]].concat());
    fixture.json(&again);
    assert!(!fixture.path("run/predictions/s1.png").exists() && fixture.path("run/predictions/s0.png").exists());
    // one's own command goes on, whatever the working folder makes of its paths
    let ran = fixture.run(&train("ss", "seg", "run", &[&start[2..], &["--epochs", "2", "--resume"]].concat()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // nor is what the run begins with removed before it is read
    let own = ["run", "run/best.safetensors", "run/weights/epoch-0001.safetensors"];
    for from in own {
        let error = fixture.error(2, &train("ss", "seg", "run", &["--init-from", from, "--force"]));
        assert!(error.contains("--force would remove run/") && error.contains("another --out"), "{error}");
        assert!(own[1..].iter().all(|name| fixture.path(name).is_file()));
    }
    let error = fixture.error(2, &["train", "--out", "run", "--resume", "--init-from", "first", "--epochs", "2"]);
    assert!(error.contains("its own weights"), "{error}");
    let environment = fs::read_to_string(fixture.path("run/environment.jsonl")).expect("a line");
    assert!(environment.contains("\"crc32\"") && environment.contains("start.safetensors"), "{environment}");
    let error = fixture.error(2, &train("ss", "seg", "frozen", &["--epochs", "1", "--freeze-encoder"]));
    assert!(error.contains("--init-from"), "{error}");
}

#[test]
fn scores_are_taken_by_the_rule_of_the_training() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    // 7 stands for target, 9 counts nowhere
    for split in ["train", "val", "test"] {
        for entry in fs::read_dir(data.join(split).join("label")).expect("there") {
            let path = entry.expect("readable").path();
            let label = image::open(&path).expect("a label").into_luma8();
            let label = GrayImage::from_fn(64, 64, |x, y| match label.get_pixel(x, y).0[0] {
                _ if x < 4 => Luma([9]),
                255 => Luma([7]),
                _ => Luma([3]),
            });
            write_label(&path, &label);
        }
    }
    let report = fixture.json(&train(
        "ss",
        "seg",
        "run",
        &["--epochs", "2", "--set", "label_rule=\"map:7\"", "--ignore-index", "9"],
    ));
    let eval = ["eval", "--model", "run", "--data", "seg", "--split", "test"];
    let counts = |report: &Value| ["tp", "fp", "fn", "tn"].map(|kind| report[kind].as_u64().expect("a count"));
    assert_eq!(counts(&fixture.json(&eval)), counts(&report));
    let images =
        ["predict", "--model", "run", "--input", "seg/test/image", "--labels", "seg/test/label", "--out", "maps"];
    assert!(fixture.json(&images)["scores"]["tp"].is_number());
    let other = fixture.json(&[&eval[..], &["--label-rule", "map:3"]].concat());
    assert_ne!(counts(&other), counts(&report), "what the user says counts");
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
    let eval = ["eval", "--model", "run", "--data", data, "--split", "test", "--json"];
    let scores = fixture.json(&[&eval[..], &["new/scores.json"]].concat());
    for key in ["precision", "recall", "f1", "iou", "accuracy", "kappa", "threshold"] {
        assert_eq!(scores[key], report[key], "{key}");
    }
    for key in ["tp", "fp", "fn", "tn", "crop", "overlap", "images"] {
        assert!(scores[key].is_number(), "{key} in {scores}");
    }
    let pixels: u64 = ["tp", "fp", "fn", "tn"].iter().filter_map(|key| scores[*key].as_u64()).sum();
    assert_eq!(pixels, 2 * 64 * 64, "every pixel counts once");
    let file: Value =
        serde_json::from_slice(&fs::read(fixture.path("new/scores.json")).expect("written")).expect("JSON");
    assert_eq!(file, scores);
    // what cannot be written is found before anything is scored
    let ran = fixture.run(&[&eval[..], &["seg"]].concat());
    assert!(ran.code == 1 && ran.stdout.is_empty() && ran.stderr.contains("--json"), "{}", ran.stderr);
}

/// Pixels that are transparent at a date have no data: they count neither in the loss nor in any score.
#[test]
fn pixels_without_data_count_nowhere() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    let clear = |value: u8| {
        for split in ["train", "val", "test"] {
            for entry in fs::read_dir(data.join(split).join("image")).expect("there") {
                let path = entry.expect("readable").path();
                let image = image::open(&path).expect("an image").into_rgba8();
                let clear = |x: u32, y: u32| if x % 32 < 12 { [value, 0, 0, 0] } else { image.get_pixel(x, y).0 };
                image::RgbaImage::from_fn(64, 64, |x, y| image::Rgba(clear(x, y))).save(&path).expect("written");
            }
        }
    };
    clear(0);
    fixture.json(&train("ss", "seg", "run", &["--epochs", "3", "--augment", "false"]));
    let best = metrics(&fixture.path("run"));
    let best = best.iter().max_by(|one, other| one["f1"].as_f64().partial_cmp(&other["f1"].as_f64()).expect("numbers"));
    let best = best.expect("an epoch");
    let eval = ["eval", "--model", "run", "--data", "seg", "--split", "val"];
    let scores = fixture.json(&eval);
    assert_eq!((&scores["f1"], &scores["accuracy"]), (&best["f1"], &best["accuracy"]), "as in the training");
    let pixels: u64 = ["tp", "fp", "fn", "tn"].iter().filter_map(|key| scores[*key].as_u64()).sum();
    assert_eq!(pixels, 2 * 64 * 40);
    let half: u64 = ["tp", "fp", "fn", "tn"]
        .iter()
        .filter_map(|key| fixture.json(&[&eval[..], &["--downsample", "2"]].concat())[*key].as_u64())
        .sum();
    assert_eq!(half, 2 * 32 * 20);
    // what the transparent pixels hold does not matter
    let before = losses(&fixture.path("run"));
    clear(200);
    fixture.json(&train("ss", "seg", "other", &["--epochs", "3", "--augment", "false"]));
    assert_eq!(losses(&fixture.path("other")), before);
}

/// Loss and gradient norm of every step.
fn steps(run: &Path) -> Vec<(f64, f64)> {
    let text = fs::read_to_string(run.join("steps.jsonl")).expect("steps");
    let number = |row: &Value, key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} in {row}"));
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    rows.map(|row| (number(&row, "loss"), number(&row, "grad_norm"))).collect()
}

/// Where all crops are equal, so are all batches, and the mean of their gradients is the gradient of any.
#[test]
fn accumulated_gradients_are_the_mean_over_the_batches() {
    let fixture = Fixture::new();
    for split in ["train", "val", "test"] {
        for name in ["a.png", "b.png"] {
            let folder = fixture.path("equal").join(split);
            let image = RgbImage::from_fn(64, 64, |x, y| Rgb([(x % 32 * 8) as u8, (y % 32 * 5) as u8, 90]));
            let label = GrayImage::from_fn(64, 64, |x, y| Luma([if x % 32 + y % 32 < 20 { 255 } else { 0 }]));
            write(&folder.join("image").join(name), &image);
            write_label(&folder.join("label").join(name), &label);
        }
    }
    let run = |out: &str, accumulate: &str| {
        let flags = ["--batch", "2", "--accumulate", accumulate, "--augment", "false", "--epochs", "1"];
        let mut arguments = train("ss", "equal", out, &flags);
        arguments.extend(["--set", "model.drop_path=0", "--set", "log_every=1"]);
        fixture.json(&arguments);
        steps(&fixture.path(out))
    };
    let (single, double) = (run("single", "1"), run("double", "2"));
    assert_eq!((single.len(), double.len()), (4, 2), "eight crops");
    for (single, double) in single.iter().zip(&double) {
        for (single, double) in [(single.0, double.0), (single.1, double.1)] {
            assert!((single - double).abs() <= 1e-5 * single, "{single} and {double}");
        }
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_or_is_left_out() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let explosive = ["--epochs", "2", "--lr", "1e30", "--clip-norm", "1e30"];
    let mut arguments = train("ss", "seg", "run", &explosive);
    let error = fixture.error(1, &arguments);
    assert!(error.contains("step") && error.contains("(s") && error.contains("--lr"), "the images are named: {error}");
    arguments.extend(["--nonfinite", "skip", "--force"]);
    let ran = fixture.run(&arguments);
    assert!(ran.stderr.contains("the step is left out"), "{}", ran.stderr);
}

#[test]
fn a_batch_that_overflows_leaves_no_trace() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    // one pixel that is infinite once it is normalised
    let (image, _) = scene(0);
    let mut pixels: Vec<f32> = image.as_raw().iter().map(|&value| f32::from(value)).collect();
    pixels[0] = f32::MAX;
    let raster = Raster { width: 64, height: 64, bands: 3, pixels: Pixels::F32(pixels) };
    fs::remove_file(data.join("train/image/s0.png")).expect("removed");
    let file = fs::File::create(data.join("train/image/s0.tif")).expect("made");
    raster.write_geotiff(file, &GeoTags::default()).expect("written");
    let error = fixture.error(1, &train("ss", "seg", "stopped", &["--epochs", "2"]));
    assert!(error.contains("s0") && error.contains("--nonfinite skip"), "{error}");

    let report = fixture.json(&train("ss", "seg", "run", &["--epochs", "3", "--nonfinite", "skip"]));
    assert!(report["f1"].is_number(), "{report}");
    let rows = metrics(&fixture.path("run"));
    assert_eq!(rows.iter().map(|row| row["skipped"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    for row in &rows {
        assert!(row["train_loss"].is_number() && row["valid_loss"].is_number(), "{row}");
    }
}

#[test]
fn training_ends_early_when_validation_stops_getting_better() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    // nothing is learned, so no validation beats the first
    let frozen = ["--epochs", "50", "--lr", "1e-30", "--early-stop", "2", "--warmup-steps", "0"];
    let ran = fixture.run(&train("ss", "seg", "run", &frozen));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("no better F1 for 2 validations"), "{}", ran.stderr);
    assert!(metrics(&fixture.path("run")).len() < 10);
}
