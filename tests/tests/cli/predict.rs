//! Masks, probabilities and overlays of images of any size.

use super::fixture::{Fixture, scene, train, write};
use image::{RgbImage, imageops};
use std::fs;

#[test]
fn a_folder_of_odd_sizes_gives_masks_probabilities_and_overlays_of_the_same_sizes() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    let sizes = [("wide", 90, 33), ("tall", 31, 70), ("small", 20, 17)];
    for (name, width, height) in sizes {
        let image = imageops::resize(&scene(1).0, width, height, imageops::FilterType::Nearest);
        write(&fixture.path("input").join(format!("{name}.png")), &image);
    }
    let predict = ["predict", "--model", "run", "--input", "input", "--out", "maps", "--prob", "--overlay"];
    let ran = fixture.run(&predict);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for (name, width, height) in sizes {
        let mask = image::open(fixture.path(&format!("maps/{name}_mask.png"))).expect("a mask").into_luma8();
        assert_eq!(mask.dimensions(), (width, height), "{name}");
        assert!(mask.pixels().all(|pixel| pixel.0[0] == 0 || pixel.0[0] == 255), "{name}");
        let file = fs::File::open(fixture.path(&format!("maps/{name}_prob.tif"))).expect("probabilities");
        let mut tiff = tiff::decoder::Decoder::new(std::io::BufReader::new(file)).expect("a TIFF");
        assert_eq!(tiff.dimensions().expect("a size"), (width, height), "{name}");
        let tiff::decoder::DecodingResult::F32(values) = tiff.read_image().expect("values") else {
            panic!("{name}: 32-bit floats")
        };
        assert!(values.iter().all(|p| (0.0..=1.0).contains(p)), "{name}");
        let marked = values.iter().map(|p| *p >= 0.5);
        assert!(marked.eq(mask.pixels().map(|pixel| pixel.0[0] == 255)), "{name}: mask and probabilities agree");
        let overlay = image::open(fixture.path(&format!("maps/{name}_overlay.png"))).expect("an overlay");
        assert_eq!((overlay.width(), overlay.height()), (width, height), "{name}");
    }
    let error = fixture.error(2, &predict);
    assert!(error.contains("--force"), "{error}");
    let mut again = predict.to_vec();
    again.push("--force");
    assert_eq!(fixture.run(&again).code, 0);
}

#[test]
fn a_bad_file_in_a_folder_is_listed_and_the_others_are_mapped() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    write(&fixture.path("input/good.png"), &scene(0).0);
    fs::write(fixture.path("input/bad.png"), "no image").expect("written");
    let ran = fixture.run(&["predict", "--model", "run", "--input", "input", "--out", "maps"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("bad.png") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(fixture.path("maps/good_mask.png").exists());
}

#[test]
fn change_detection_takes_two_dates() {
    let fixture = Fixture::new();
    let data = fixture.change("change");
    fixture.json(&train("cd", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    let (a, b) = ("change/test/A", "change/test/B");
    let ran = fixture.run(&["predict", "--model", "run", "--input", a, "--input2", b, "--out", "maps"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fixture.path("maps/s0_mask.png").exists() && fixture.path("maps/s1_mask.png").exists());

    let error = fixture.error(2, &["predict", "--model", "run", "--input", a, "--out", "maps2"]);
    assert!(error.contains("--input2"), "{error}");
    write(&fixture.path("other.png"), &RgbImage::new(40, 64));
    let one = "change/test/A/s0.png";
    let arguments = ["predict", "--model", "run", "--input", one, "--input2", "other.png", "--out", "maps3"];
    let ran = fixture.run(&arguments);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("64") && ran.stderr.contains("40"), "both sizes: {}", ran.stderr);
}
