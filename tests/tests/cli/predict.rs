//! Masks, probabilities and overlays of images of any size.

use super::fixture::{Fixture, files, scene, train, trained, utm, write, write_geotiff, write_label, write_raster};
use burn_rsmamba_datasets::{GeoReference, GeoTags, Pixels, Raster, RasterFile};
use image::{RgbImage, imageops};
use serde_json::Value;
use std::fs;
use tiff::tags::Tag;

#[test]
fn a_folder_of_odd_sizes_gives_masks_probabilities_and_overlays_of_the_same_sizes() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1", "--threshold", "0.5"]));
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
    let fixture = trained();
    write(&fixture.path("input/good.png"), &scene(0).0);
    fs::write(fixture.path("input/bad.png"), "no image").expect("written");
    let ran = fixture.run(&["predict", "--model", "run", "--input", "input", "--out", "maps"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("bad.png") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(fixture.path("maps/good_mask.png").exists());

    // one that breaks off in the middle leaves nothing behind either (in strips: `Raster::write_geotiff` writes one alone)
    let file = fs::File::create(fixture.path("whole.tif")).expect("made");
    let mut encoder = tiff::encoder::TiffEncoder::new(file).expect("an encoder");
    let mut image = encoder.new_image::<tiff::encoder::colortype::RGB8>(64, 64).expect("an image");
    image.rows_per_strip(4).expect("possible");
    image.write_data(scene(0).0.as_raw()).expect("written");
    let mut bytes = fs::read(fixture.path("whole.tif")).expect("read");
    // the table of where the sixteen strips of 768 bytes lie
    let value = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let is_table = |at: &usize| (0..15).all(|i| value(at + 4 * i + 4) == value(at + 4 * i).wrapping_add(768));
    let table = (0..bytes.len() - 64).find(is_table).expect("a table of strips");
    bytes[table + 4 * 9..table + 4 * 10].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    fs::write(fixture.path("broken.tif"), bytes).expect("written");
    let error = fixture.error(1, &["predict", "--model", "run", "--input", "broken.tif", "--out", "broken", "--prob"]);
    assert!(error.contains("broken.tif"), "{error}");
    assert!(files(&fixture.path("broken")).is_empty());
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

    let patterns = ["--input", "change/test/A/*", "--input2", "change/test/B/*.png", "--out", "patterns"];
    let ran = fixture.run(&[&["predict", "--model", "run"][..], &patterns].concat());
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);

    let error = fixture.error(2, &["predict", "--model", "run", "--input", a, "--out", "maps2"]);
    assert!(error.contains("--input2"), "{error}");
    write(&fixture.path("other.png"), &RgbImage::new(40, 64));
    let one = "change/test/A/s0.png";
    let arguments = ["predict", "--model", "run", "--input", one, "--input2", "other.png", "--out", "maps3"];
    let ran = fixture.run(&arguments);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("64") && ran.stderr.contains("40"), "both sizes: {}", ran.stderr);
}

#[test]
fn a_geotiff_gives_maps_that_lie_where_it_lies() {
    let fixture = Fixture::new();
    let data = fixture.change("change");
    fixture.json(&train("cd", data.to_str().expect("text"), "run", &["--epochs", "1", "--threshold", "0.5"]));
    for (name, x) in [("before.tif", 400_000.0), ("after.tif", 400_000.0), ("elsewhere.tif", 400_010.0)] {
        let tags = GeoTags { georeference: Some(utm(x, 32633)), ..GeoTags::default() };
        write_geotiff(&fixture.path(name), &scene(1).0, &tags);
    }
    let predict = |second: &'static str| {
        ["predict", "--model", "run", "--input", "before.tif", "--input2", second, "--out", "maps", "--prob"]
    };
    let error = fixture.error(1, &predict("elsewhere.tif"));
    assert!(error.contains("origins (400000, 5900000) and (400010, 5900000)"), "{error}");
    let ran = fixture.run(&predict("after.tif"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut values = Vec::new();
    for name in ["before_mask.tif", "before_prob.tif"] {
        let mut file = RasterFile::open(&fixture.path("maps").join(name)).expect("a map");
        assert_eq!(file.georeference(), Some(&utm(400_000.0, 32633)), "{name}");
        values.push(file.window(0, 0, 64, 64).expect("its pixels").pixels);
    }
    let [Pixels::U8(mask), Pixels::F32(probability)] = &values[..] else { panic!("bytes and floats") };
    assert!(mask.iter().zip(probability).all(|(&mask, &p)| mask == if p >= 0.5 { 255 } else { 0 }));
}

#[test]
fn what_has_no_data_stays_without() {
    let fixture = trained();
    let mut picture = scene(1).0;
    for x in 0..64 {
        picture.put_pixel(x, 40, image::Rgb([9, 9, 9]));
    }
    // a place in no reference system
    let georeference = Some(GeoReference { keys: Vec::new(), ..utm(5.0, 32633) });
    let tags = GeoTags { georeference, nodata: Some(9.0), metadata: None };
    write_geotiff(&fixture.path("scene.tif"), &picture, &tags);
    let ran = fixture.run(&["predict", "--model", "run", "--input", "scene.tif", "--out", "maps", "--prob"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let read = |name: &str| {
        let mut file = RasterFile::open(&fixture.path("maps").join(name)).expect("a map");
        (file.nodata(), file.window(0, 0, 64, 64).expect("its pixels").pixels)
    };
    let (Some(nodata), Pixels::U8(mask)) = read("scene_mask.tif") else { panic!("bytes and a value of no data") };
    let (Some(not_a_number), Pixels::F32(probability)) = read("scene_prob.tif") else { panic!("floats and a value") };
    assert!(not_a_number.is_nan());
    for (pixel, (&mask, &probability)) in mask.iter().zip(&probability).enumerate() {
        let blank = pixel / 64 == 40;
        assert_eq!((f64::from(mask) - nodata).abs() < 0.5, blank, "pixel {pixel}: {mask}");
        assert_eq!(probability.is_nan(), blank, "pixel {pixel}: {probability}");
    }
    let names = files(&fixture.path("maps"));
    assert_eq!(names.len(), 2, "nothing is left beside: {names:?}");
}

/// An image as floats, with `none` where there is no data: in a block of ten rows, and in one band of one pixel.
fn with_holes(image: &RgbImage, none: f32) -> Raster {
    let values = image.as_raw().iter().enumerate().map(|(index, &value)| {
        let (pixel, band) = (index / 3, index % 3);
        let (row, column) = (pixel / 64, pixel % 64);
        let hole = (20..30).contains(&row) && column < 12 || (row, column, band) == (50, 50, 1);
        if hole { none } else { f32::from(value) / 255.0 }
    });
    Raster { width: 64, height: 64, bands: 3, pixels: Pixels::F32(values.collect()) }
}

fn save(path: &std::path::Path, raster: &Raster, nodata: Option<f64>) {
    write_raster(path, raster, &GeoTags { nodata, ..GeoTags::default() });
}

#[test]
fn no_data_of_every_kind_leaves_the_rest_of_its_window_as_eval_sees_it() {
    let fixture = Fixture::new();
    let data = fixture.segmentation("seg");
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1", "--threshold", "0.5"]));
    let (image, label) = scene(1);
    let map = |folder: &str| {
        let mut file = RasterFile::open(&fixture.path(folder).join("s0_prob.tif")).expect("a map");
        let Pixels::F32(values) = file.window(0, 0, 64, 64).expect("pixels").pixels else { panic!("floats") };
        values
    };
    let predict = |input: &str, out: &str, labels: &str| {
        fixture.json(&["predict", "--model", "run", "--input", input, "--labels", labels, "--out", out, "--prob"])
    };
    // where there is no data, the model is given 0
    let (mut zeros, holes) = (with_holes(&image, 0.0), with_holes(&image, f32::NAN));
    let nowhere: Vec<bool> = (0..64 * 64).map(|pixel| holes.is_nodata(0, pixel, None)).collect();
    let Pixels::F32(values) = &mut zeros.pixels else { panic!("floats") };
    for (pixel, values) in values.chunks_exact_mut(3).enumerate() {
        if nowhere[pixel] {
            values.fill(0.0);
        }
    }
    for split in ["train", "val", "test"] {
        write_label(&fixture.path("plain").join(split).join("label/s0.png"), &label);
        save(&fixture.path("plain").join(split).join("image/s0.tif"), &zeros, None);
    }
    predict("plain/test/image", "plain_maps", "plain/test/label");
    let expected = map("plain_maps");
    assert_eq!(nowhere.iter().filter(|&&none| none).count(), 121);
    for (name, none, tag) in [
        ("nan", f32::NAN, None),
        ("tagged_nan", f32::NAN, Some(f64::NAN)),
        ("infinite", f32::NEG_INFINITY, Some(-1.0)),
        ("lowest", f32::MIN, Some(f64::from(f32::MIN))),
        ("short", -32768.0, Some(-32768.0)),
    ] {
        for split in ["train", "val", "test"] {
            write_label(&fixture.path(name).join(split).join("label/s0.png"), &label);
            save(&fixture.path(name).join(split).join("image/s0.tif"), &with_holes(&image, none), tag);
        }
        let (input, out) = (format!("{name}/test/image"), format!("{name}_maps"));
        let report = predict(&input, &out, &format!("{name}/test/label"));
        let found = map(&out);
        for pixel in 0..64 * 64 {
            let same = if nowhere[pixel] {
                found[pixel].is_nan()
            } else {
                found[pixel].to_bits() == expected[pixel].to_bits()
            };
            assert!(same, "{name}, pixel {pixel}: {} and {}", found[pixel], expected[pixel]);
        }
        let mask = image::open(fixture.path(&out).join("s0_mask.png")).expect("a mask").into_luma8();
        assert!(mask.as_raw().iter().zip(&nowhere).all(|(&mask, &none)| (mask == 127) == none), "{name}");
        let scored = fixture.json(&["eval", "--model", "run", "--data", name, "--split", "test", "--whole"]);
        let whole = fixture.json(&[
            "predict",
            "--model",
            "run",
            "--input",
            &input,
            "--labels",
            &format!("{name}/test/label"),
            "--out",
            "whole",
            "--whole",
            "--force",
        ]);
        let counts = |report: &Value| ["tp", "fp", "fn", "tn"].map(|kind| report[kind].as_u64().expect("a count"));
        assert_eq!(counts(&scored), counts(&whole["scores"]), "{name}");
        assert_eq!(counts(&report["scores"]).iter().sum::<u64>(), 64 * 64 - 121, "{name}: {report}");
    }
    // a value that no tag names makes numbers of the model that are none: refused, not drawn
    save(&fixture.path("untagged.tif"), &with_holes(&image, f32::MIN), None);
    let error = fixture.error(1, &["predict", "--model", "run", "--input", "untagged.tif", "--out", "refused"]);
    assert!(
        error.contains("untagged.tif") && error.contains("at row 0, column 0") && error.contains("no data"),
        "{error}"
    );
    assert!(files(&fixture.path("refused")).is_empty());
}

#[test]
fn second_dates_and_alpha_that_may_be_meant_otherwise_are_told() {
    let fixture = Fixture::new();
    let data = fixture.change("change");
    fixture.json(&train("cd", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    let (before, after) = (scene(0).0, scene(1).0);
    let tags = GeoTags { georeference: Some(utm(5.0, 32633)), ..GeoTags::default() };
    write_geotiff(&fixture.path("before.tif"), &before, &tags);
    let mut after = image::DynamicImage::from(after).into_rgba8();
    after.get_pixel_mut(60, 3).0[3] = 0;
    after.save(fixture.path("after.png")).expect("written");
    let ran =
        fixture.run(&["predict", "--model", "run", "--input", "before.tif", "--input2", "after.png", "--out", "maps"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("before.tif is georeferenced and after.png is not"), "{}", ran.stderr);
    assert!(ran.stderr.contains("after.png: the band after the first 3 is alpha"), "{}", ran.stderr);
    let mut mask = RasterFile::open(&fixture.path("maps/before_mask.tif")).expect("a mask");
    let Pixels::U8(mask) = mask.window(0, 0, 64, 64).expect("pixels").pixels else { panic!("bytes") };
    assert!((0..64 * 64).all(|pixel| (mask[pixel] == 127) == (pixel == 3 * 64 + 60)), "transparent is no data");
}

#[test]
fn pixels_without_data_do_not_count_in_scenes_that_are_made_smaller() {
    let fixture = trained();
    let (image, label) = scene(1);
    let values = image.as_raw().iter().enumerate().map(|(index, &value)| {
        let (row, column) = (index / 3 / 64, index / 3 % 64);
        if row < 32 && column < 33 { f32::NAN } else { f32::from(value) / 255.0 }
    });
    let raster = Raster { width: 64, height: 64, bands: 3, pixels: Pixels::F32(values.collect()) };
    save(&fixture.path("half/test/image/a.tif"), &raster, None);
    write_label(&fixture.path("half/test/label/a.png"), &label);
    let eval = |ratio| {
        let flags = ["eval", "--model", "run", "--data", "half", "--split", "test", "--whole", "--downsample", ratio];
        let report = fixture.json(&flags);
        ["tp", "fp", "fn", "tn"].map(|kind| report[kind].as_u64().expect("a count")).iter().sum::<u64>()
    };
    assert_eq!(eval("1"), 64 * 64 - 32 * 33);
    assert_eq!(eval("2"), 32 * 32 - 16 * 17, "half a pixel without data is none");
}

#[test]
fn labels_and_places_that_say_too_little_are_told() {
    let fixture = trained();
    let (image, label) = scene(0);
    let raster = Raster { width: 64, height: 64, bands: 1, pixels: Pixels::U8(label.into_raw()) };
    save(&fixture.path("a_label.tif"), &raster, Some(255.0));
    // keys without a transform: `Raster::write_geotiff` has no such georeference to write
    let file = fs::File::create(fixture.path("a.tif")).expect("made");
    let mut encoder = tiff::encoder::TiffEncoder::new(file).expect("an encoder");
    let mut picture = encoder.new_image::<tiff::encoder::colortype::RGB8>(64, 64).expect("an image");
    picture.encoder().write_tag(Tag::GeoKeyDirectoryTag, &[1_u16, 1, 0, 1, 3072, 0, 1, 32633][..]).expect("written");
    picture.write_data(image.as_raw()).expect("written");
    let predict = ["predict", "--model", "run", "--input", "a.tif", "--out", "maps"];
    let labelled = [&predict[..], &["--labels", "a_label.tif", "--label-rule"]].concat();
    let error = fixture.error(1, &[&labelled[..], &["auto"]].concat());
    assert!(
        error.contains("a_label.tif says that 255 stands for no data") && error.contains("ignore:255:auto"),
        "{error}"
    );
    let report = fixture.json(&[&labelled[..], &["nonzero"]].concat());
    assert!(report["scores"]["tp"].is_number());
    let ran = fixture.run(&[&predict[..], &["--force"]].concat());
    assert!(ran.code == 0 && ran.stderr.contains("a.tif has ground control points or"), "{}", ran.stderr);
}
