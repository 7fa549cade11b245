//! `import` and `info` on weights files, and wrong checkpoints.

use super::fixture::{Fixture, train, trained};
use burn_rsmamba_tests::fixtures::golden_path;
use std::fs;

#[test]
fn an_official_checkpoint_becomes_a_weights_file_that_everything_takes() {
    let fixture = Fixture::new();
    let official = golden_path("rsm_ss_micro.pth");
    let official = official.to_str().expect("text");
    let ran = fixture.run(&["import", "--from", official, "--to", "micro.safetensors"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let info = fixture.json(&["info", "--model", "micro.safetensors", "--json"]);
    assert_eq!(info["parameters"], 505_193);
    fixture.segmentation("seg");
    let scores = fixture.json(&["eval", "--model", "micro.safetensors", "--data", "seg", "--split", "val"]);
    assert_eq!(scores["images"], 2);
    // fine-tuning starts from either file
    for (from, out) in [(official, "a"), ("micro.safetensors", "b")] {
        let arguments = [
            "train",
            "--task",
            "ss",
            "--data",
            "seg",
            "--out",
            out,
            "--preset",
            "micro",
            "--init-from",
            from,
            "--epochs",
            "1",
            "--crop",
            "32",
            "--batch",
            "8",
        ];
        fixture.json(&arguments);
    }
    let error = fixture.error(2, &["import", "--from", official, "--to", "micro.pth"]);
    assert!(error.contains(".safetensors") && !fixture.path("micro.pth").exists(), "{error}");
    let error = fixture.error(2, &["import", "--from", official, "--to", "micro.safetensors"]);
    assert!(error.contains("--force"), "{error}");
}

#[test]
fn a_model_is_exported_for_the_official_code() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    // an official file holds no threshold: 0.5 comes back
    fixture.json(&train("ss", "seg", "run", &["--epochs", "1", "--threshold", "0.5"]));
    let report = fixture.json(&["export", "--model", "run", "--to", "out/official.safetensors"]);
    assert_eq!((&report["to"], &report["task"]), (&"out/official.safetensors".into(), &"ss".into()));
    // what went out comes in again
    fixture.json(&["import", "--from", "out/official.safetensors", "--to", "again.safetensors"]);
    let scores = |model| {
        fixture.json(&["eval", "--model", model, "--data", "seg", "--split", "test", "--crop", "32"])["f1"].clone()
    };
    assert_eq!(scores("run"), scores("again.safetensors"));

    let error = fixture.error(2, &["export", "--model", "run", "--to", "out/official.safetensors"]);
    assert!(error.contains("--force"), "{error}");
    let error = fixture.error(2, &["export", "--model", "run", "--to", "official.pth"]);
    assert!(error.contains("torch.save"), "{error}");
    let official = golden_path("rsm_ss_micro.pth");
    let error = fixture.error(1, &["export", "--model", official.to_str().expect("text"), "--to", "x.safetensors"]);
    assert!(error.contains("import"), "{error}");
}

#[test]
fn a_wrong_checkpoint_is_refused_by_name() {
    let fixture = trained();
    fixture.change("change");
    let official = golden_path("rsm_cd_micro.pth");
    let official = official.to_str().expect("text");

    // the other task
    let error =
        fixture.error(2, &["predict", "--model", "run", "--input", "seg/test/image", "--input2", "y", "--out", "m"]);
    assert!(error.contains("ss"), "{error}");
    let error = fixture.error(2, &["eval", "--model", "run", "--task", "cd", "--data", "change", "--split", "test"]);
    assert!(error.contains("task ss") && error.contains("task cd"), "{error}");
    // other widths
    let error = fixture.error(1, &train("cd", "change", "x", &["--init-from", official, "--epochs", "1"]));
    assert!(error.contains("rsm_cd_micro.pth") && error.contains("misshapen"), "{error}");
    // not ours
    let error = fixture.error(1, &["info", "--model", official]);
    assert!(error.contains("import"), "{error}");
    // damaged
    let weights = fixture.path("run/best.safetensors");
    let whole = fs::read(&weights).expect("read");
    fs::write(&weights, &whole[..whole.len() / 2]).expect("cut");
    let error = fixture.error(1, &["eval", "--model", "run", "--data", "seg", "--split", "test"]);
    assert!(error.contains("best.safetensors"), "{error}");
    // NaN in the last bytes of the last tensor
    let mut broken = whole;
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&weights, &broken).expect("written");
    let error = fixture.error(1, &["eval", "--model", "run", "--data", "seg", "--split", "test"]);
    assert!(error.contains("best.safetensors") && error.contains("not finite"), "{error}");
}

#[test]
fn weights_for_other_bands_classes_or_task_are_taken_as_far_as_they_go() {
    let fixture = trained();
    fixture.change("change");
    // the encoder serves the other task
    let ran = fixture.run(&train("cd", "change", "cd", &["--init-from", "run", "--epochs", "1"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("best.safetensors") && ran.stderr.contains("start from initial values"),
        "{}",
        ran.stderr
    );
    // other classes: the head alone begins anew
    let classes =
        ["--init-from", "run", "--epochs", "1", "--classes", "3", "--loss", "ce-dice", "--label-rule", "classes:3"];
    let labels = fixture.segmentation("classes");
    for split in ["train", "val", "test"] {
        for entry in fs::read_dir(labels.join(split).join("label")).expect("there") {
            let path = entry.expect("readable").path();
            let label = image::open(&path).expect("a label").into_luma8();
            let of = |x, y| image::Luma([u8::from(label.get_pixel(x, y).0[0] > 0) * (1 + u8::from(x > 32))]);
            image::GrayImage::from_fn(64, 64, of).save(&path).expect("written");
        }
    }
    let ran = fixture.run(&train("ss", "classes", "three", &classes));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("2 entries start from initial values"), "{}", ran.stderr);
    assert_eq!(fixture.json(&["info", "--model", "three", "--json"])["model"]["config"]["classes"], 3);
    let told = fixture.run(&["info", "--model", "three"]).stdout;
    assert!(told.starts_with("task ss, 3 bands, 3 classes") && told.contains("labels by classes:3"), "{told}");
    // numbers that bands are scaled by are not taken over without a word
    let ran = fixture.run(&train(
        "ss",
        "seg",
        "measured",
        &["--init-from", "run", "--epochs", "1", "--normalisation", "measured"],
    ));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("scaled by other means"), "{}", ran.stderr);
    // one band in place of three
    grey(&fixture.path("seg"));
    let ran = fixture.run(&train("ss", "seg", "grey", &["--init-from", "run", "--epochs", "1"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("reads 3 bands and was fitted to 1"), "{}", ran.stderr);
}

#[test]
fn a_frozen_encoder_stays_as_it_was() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fixture.json(&train("ss", "seg", "base", &["--epochs", "1"]));
    fixture.json(&train("ss", "seg", "tuned", &["--init-from", "base", "--freeze-encoder", "--epochs", "2"]));
    let [base, tuned] = ["base/best.safetensors", "tuned/last.safetensors"].map(|name| {
        let bytes = fs::read(fixture.path(name)).expect("weights");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let owned = |(name, view): (String, safetensors::tensor::TensorView<'_>)| (name, view.data().to_vec());
        tensors.tensors().into_iter().map(owned).collect::<std::collections::BTreeMap<_, _>>()
    });
    let mut moved = 0;
    for (name, values) in &base {
        let encoder = name.starts_with("patch_embed") || name.starts_with("encoder_block");
        assert!(!encoder || values == &tuned[name], "{name} moved");
        moved += usize::from(values != &tuned[name]);
    }
    assert!(moved > 5, "the rest was trained, {moved} tensors moved");
}

/// Makes every image of a dataset a grey one.
fn grey(root: &std::path::Path) {
    for split in ["train", "val", "test"] {
        for entry in fs::read_dir(root.join(split).join("image")).expect("a folder") {
            let path = entry.expect("an entry").path();
            image::open(&path).expect("an image").to_luma8().save(&path).expect("written");
        }
    }
}

#[test]
fn weights_that_changed_on_the_disk_are_refused() {
    let fixture = trained();
    let path = fixture.path("run/best.safetensors");
    let mut bytes = fs::read(&path).expect("weights");
    let middle = bytes.len() - 1001;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("written");
    let eval = ["eval", "--model", "run", "--data", "seg", "--split", "test"];
    let started = train("ss", "seg", "other", &["--epochs", "1", "--init-from", "run"]);
    for arguments in [&eval[..], &started] {
        let error = fixture.error(1, arguments);
        assert!(error.contains("best.safetensors") && error.contains("its checksum is wrong"), "{error}");
    }
}
