//! Every mistake in the data gives one line that names the file and the mend.

use super::fixture::{Fixture, scene, train, write, write_label};
use image::{GrayImage, Luma, RgbImage};
use std::fs;

/// The error of training on a dataset after something was done to it.
fn after(change: impl FnOnce(&Fixture)) -> String {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    change(&fixture);
    let error = fixture.error(1, &train("ss", "seg", "run", &["--epochs", "1"]));
    assert!(!fixture.path("run/metrics.jsonl").exists(), "nothing was trained");
    error
}

fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` in: {error}");
    }
}

#[test]
fn missing_and_empty_folders() {
    let fixture = Fixture::new();
    says(&fixture.error(1, &train("ss", "nowhere", "run", &[])), &["nowhere"]);
    fs::create_dir(fixture.path("empty")).expect("made");
    says(&fixture.error(1, &train("ss", "empty", "run", &[])), &["empty"]);
    fixture.segmentation("seg");
    says(&fixture.error(1, &train("cd", "seg", "run", &[])), &["seg"]);
    says(&fixture.error(2, &["train", "--data", "seg", "--out", "run"]), &["--task"]);
}

#[test]
fn an_image_without_label_and_a_label_without_image() {
    says(&after(|f| fs::remove_file(f.path("seg/train/label/s1.png")).expect("there")), &["s1"]);
    says(&after(|f| fs::remove_file(f.path("seg/val/image/s0.png")).expect("there")), &["s0"]);
}

#[test]
fn sizes_that_differ() {
    let error = after(|f| write(&f.path("seg/train/image/s0.png"), &RgbImage::new(64, 48)));
    says(&error, &["s0", "64x48", "64x64"]);
}

#[test]
fn broken_image_files() {
    let error = after(|f| {
        let path = f.path("seg/train/image/s2.png");
        let whole = fs::read(&path).expect("read");
        fs::write(&path, &whole[..whole.len() / 2]).expect("cut");
    });
    says(&error, &["s2.png"]);
    let error = after(|f| {
        let folder = f.path("seg/train/image");
        fs::remove_file(folder.join("s2.png")).expect("there");
        let mut whole = std::io::Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut whole).expect("an encoder");
        encoder.write_image::<tiff::encoder::colortype::RGB8>(64, 64, scene(2).0.as_raw()).expect("written");
        let whole = whole.into_inner();
        fs::write(folder.join("s2.tif"), &whole[..whole.len() / 2]).expect("cut");
    });
    says(&error, &["s2.tif"]);
    let error = after(|f| fs::write(f.path("seg/train/image/s2.png"), "just text").expect("written"));
    says(&error, &["s2.png", "not an image"]);
}

#[test]
fn a_label_that_is_not_plainly_binary() {
    let grey = GrayImage::from_fn(64, 64, |x, _| Luma([(x % 3) as u8 * 100]));
    let error = after(|f| write_label(&f.path("seg/test/label/s1.png"), &grey));
    says(&error, &["s1.png", "0, 100, 200", "255"]);
}

#[test]
fn crops_of_no_size_and_larger_than_nothing() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    for crop in ["0", "16"] {
        let ran = fixture.run(&["train", "--task", "ss", "--data", "seg", "--out", "run", "--crop", crop]);
        assert_eq!(ran.code, 2, "{crop}: {}", ran.stderr);
        assert!(ran.stderr.contains("32"), "{}", ran.stderr);
    }
}

#[test]
fn numbers_beyond_all_use_name_their_flag() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let train = ["train", "--task", "ss", "--data", "seg", "--out", "run"];
    for (flag, value) in [
        ("--seed", "9223372036854775808"),
        ("--epochs", "9223372036854775808"),
        ("--batch", "9223372036854775808"),
        ("--workers", "100000"),
        ("--crop", "4000000000"),
    ] {
        let ran = fixture.run(&[&train[..], &[flag, value]].concat());
        assert_eq!(ran.code, 2, "{flag}: {}", ran.stderr);
        assert!(ran.stderr.contains(flag), "{}", ran.stderr);
    }
    says(&fixture.error(2, &[&train[..], &["--batch", "100000", "--accumulate", "100000"]].concat()), &["accumulate"]);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    fs::write(fixture.path("file"), "").expect("written");
    says(&fixture.error(1, &train("ss", "seg", "file", &["--epochs", "1"])), &["file"]);
    says(&fixture.error(1, &train("ss", "seg", "file/run", &["--epochs", "1"])), &["file"]);
}

#[test]
fn a_config_file_with_mistakes() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let run = |text: &str| {
        fs::write(fixture.path("run.toml"), text).expect("written");
        fixture.error(2, &["train", "--config", "run.toml", "--out", "run", "--task", "ss", "--data", "seg"])
    };
    says(&run("epochz = 3\n"), &["run.toml", "epochz"]);
    says(&run("epochs = \"many\"\n"), &["run.toml"]);
    says(&run("epochs = \n"), &["run.toml", "line 1"]);
    says(&run("preset = \"huge\"\n"), &["huge", "tiny"]);
    says(&run("device = \"cuda\"\n"), &["cuda", "cpu"]);
    says(&fixture.error(1, &["train", "--config", "absent.toml", "--out", "run"]), &["absent.toml"]);
}

#[test]
fn a_dashboard_needs_a_terminal() {
    let fixture = Fixture::new();
    let error = fixture.error(2, &["train", "--data", "demo", "--out", "run", "--tui"]);
    assert!(error.contains("--tui") && error.contains("terminal"), "{error}");
    assert!(!fixture.path("run").exists(), "nothing was begun");
}
