//! Scenes: of several files, of any shape, aligned, within a limit of memory.

use super::fixture::{
    Fixture, files, halving_threshold, same_files, scene, tall, train, trained, utm, write, write_geotiff, write_label,
};
use burn_rsmamba_datasets::{GeoReference, GeoTags, Pixels, RasterFile};
use burn_rsmamba_tests::fixtures::python_with_rasterio;
use image::RgbImage;
use std::{fs, path::Path};

#[test]
fn several_files_are_mapped_past_a_bad_one_with_the_windows_said() {
    let fixture = trained();
    write(&fixture.path("a.png"), &scene(0).0);
    write(&fixture.path("c.png"), &scene(1).0);
    fs::write(fixture.path("b.png"), "no image").expect("written");
    let ran =
        fixture.run(&["predict", "--model", "run", "--input", "a.png", "b.png", "c.png", "--out", "maps", "--tta"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let last = ran.stderr.lines().last().expect("an error");
    assert!(last.starts_with("error: 1 of 3") && last.contains("b.png"), "{}", ran.stderr);
    assert!(ran.stderr.contains("windows of 32 pixels, 8 shared, blend cosine"), "{}", ran.stderr);
    assert!(fixture.path("maps/a_mask.png").exists() && fixture.path("maps/c_mask.png").exists());

    // a pattern that no shell expanded
    let ran = fixture.run(&["predict", "--model", "run", "--input", "[ac].png", "--out", "patterns"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);
    let error = fixture.error(2, &["predict", "--model", "run", "--input", "z*.png", "--out", "patterns"]);
    assert!(error.contains("z*.png: no file matches this pattern"), "{error}");
}

#[test]
fn what_is_read_is_not_written() {
    let fixture = trained();
    write(&fixture.path("scenes/s.png"), &scene(0).0);
    write_label(&fixture.path("scenes/s_mask.png"), &scene(0).1);
    let label = fs::read(fixture.path("scenes/s_mask.png")).expect("a label");
    let own =
        ["predict", "--model", "run", "--input", "scenes/s.png", "--labels", "scenes/s_mask.png", "--out", "scenes"];
    for flags in [&[][..], &["--force"]] {
        let error = fixture.error(2, &[&own[..], flags].concat());
        assert!(error.contains("s_mask.png is to be read and would be written"), "{error}");
        assert!(fs::read(fixture.path("scenes/s_mask.png")).expect("a label") == label);
    }
    // maps that lie beside their images are no images
    fs::remove_file(fixture.path("scenes/s_mask.png")).expect("there");
    write(&fixture.path("scenes/t.png"), &scene(1).0);
    let beside = ["predict", "--model", "run", "--input", "scenes", "--out", "scenes", "--overlay"];
    assert_eq!(fixture.run(&beside).stdout.lines().count(), 2);
    let ran = fixture.run(&[&beside[..], &["--resume"]].concat());
    assert!(ran.code == 0 && ran.stdout.is_empty() && ran.stderr.contains("2 of 2"), "{}", ran.stderr);
    assert_eq!(files(&fixture.path("scenes")).len(), 6);
    // nor is what lies beside images, where a pattern takes all
    for name in ["s.pgw", "s.png.aux.xml", ".s.part"] {
        fs::write(fixture.path("scenes").join(name), "no image").expect("written");
    }
    let ran = fixture.run(&["predict", "--model", "run", "--input", "scenes/*", "--out", "maps"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);
    assert!(ran.stderr.contains("s.pgw beside it is not read"), "{}", ran.stderr);
    let error = fixture.error(2, &["predict", "--model", "run", "--input", "scenes/*.pgw", "--out", "maps"]);
    assert!(error.contains("no image matches"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_is_mapped() {
    let fixture = trained();
    // a folder in the place of the record: root may write anywhere else
    fs::create_dir_all(fixture.path("maps/.burn-rsmamba-predict.jsonl")).expect("made");
    write(&fixture.path("a.png"), &scene(0).0);
    let error = fixture.error(1, &["predict", "--model", "run", "--input", "a.png", "--out", "maps"]);
    assert!(error.contains("cannot write maps/.burn-rsmamba-predict.jsonl"), "{error}");
    assert!(!fixture.path("maps/a_mask.png").exists());
}

#[test]
fn scenes_of_any_shape_are_mapped() {
    let fixture = trained();
    for (width, height) in [(1, 1), (1, 70), (70, 1), (33, 2)] {
        let name = format!("shapes/{width}x{height}.png");
        write(&fixture.path(&name), &RgbImage::from_fn(width, height, |x, y| *scene(0).0.get_pixel(x % 64, y % 64)));
    }
    let ran = fixture.run(&["predict", "--model", "run", "--input", "shapes", "--out", "maps", "--overlap", "31"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for (width, height) in [(1, 1), (1, 70), (70, 1), (33, 2)] {
        let mask = image::open(fixture.path(&format!("maps/{width}x{height}_mask.png"))).expect("a mask");
        assert_eq!((mask.width(), mask.height()), (width, height));
    }
}

#[test]
fn a_limit_of_memory_chooses_the_window() {
    let fixture = trained();
    write(&fixture.path("tall.png"), &tall());
    let predict =
        |amount| ["predict", "--model", "run", "--input", "tall.png", "--out", "maps", "--max-memory", amount];
    let error = fixture.error(2, &predict("1MB"));
    assert!(error.contains("bytes a pixel") && error.contains("MB"), "{error}");
    assert!(fixture.error(2, &predict("much")).contains("800MB"));
    let ran = fixture.run(&predict("8GB"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("windows of 1600 pixels, 400 shared"), "all of it fits: {}", ran.stderr);
    // what is left to do does not choose others
    write(&fixture.path("a.png"), &scene(0).0);
    let both = ["predict", "--model", "run", "--input", "tall.png", "a.png", "--out", "maps", "--max-memory", "8GB"];
    let ran = fixture.run(&[&both[..], &["--resume"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("1 of 2") && ran.stderr.contains("windows of 1600 pixels"), "{}", ran.stderr);
}

/// Writes a picture that lies somewhere.
fn write_placed(path: &Path, picture: &RgbImage, georeference: GeoReference, nodata: Option<f64>) {
    write_geotiff(path, picture, &GeoTags { georeference: Some(georeference), nodata, metadata: None });
}

/// GDAL is the judge, where Python has rasterio.
#[test]
fn gdal_finds_the_maps_where_the_scene_is() {
    let fixture = trained();
    let mut picture = tall();
    for (x, y) in (0..64).flat_map(|x| (700..900).map(move |y| (x, y))) {
        picture.put_pixel(x, y, image::Rgb([9, 9, 9]));
    }
    write_placed(&fixture.path("scene.tif"), &picture, utm(399_960.0, 32633), Some(9.0));
    let predict = ["predict", "--model", "run", "--input", "scene.tif", "--prob", "--polygons", "--out"];
    fixture.json(&[&predict[..], &["first"]].concat());
    let threshold = halving_threshold(&fixture.path("first/scene_prob.tif"));
    let report = fixture.json(&[&predict[..], &["maps", "--threshold", &threshold]].concat());
    let maps =
        ["mask.tif", "prob.tif", "polygons.geojson"].map(|name| fixture.path("maps").join(format!("scene_{name}")));
    let Some(python) = python_with_rasterio() else { return };
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/judge_maps.py");
    let mut judge = std::process::Command::new(&python);
    let output = judge.arg(tool).arg(fixture.path("scene.tif")).args(maps).arg(&threshold).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("{} polygons", report["objects"]));
}

#[test]
fn an_area_in_degrees_is_refused() {
    let fixture = trained();
    let degrees = GeoReference {
        transform: [11.0, 1e-5, 0.0, 50.0, 0.0, -1e-5],
        keys: vec![1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326],
        doubles: Vec::new(),
        ascii: String::new(),
    };
    write_placed(&fixture.path("degrees.tif"), &scene(0).0, degrees, None);
    let predict = ["predict", "--model", "run", "--input", "degrees.tif", "--out", "maps", "--min-area"];
    let error = fixture.error(1, &[&predict[..], &["25u2"]].concat());
    assert!(error.contains("degrees.tif are degrees") && error.contains("in pixels"), "{error}");
    assert_eq!(fixture.run(&[&predict[..], &["25"]].concat()).code, 0);
}

#[test]
fn a_second_date_on_another_grid_is_resampled_when_asked_for() {
    let fixture = Fixture::new();
    let data = fixture.change("change");
    fixture.json(&train("cd", data.to_str().expect("text"), "run", &["--epochs", "1"]));
    let (before, after) = (scene(0).0, scene(1).0);
    // the same picture in a frame of ten pixels at the left, and without its last ten columns
    let framed =
        RgbImage::from_fn(64, 64, |x, y| if x < 10 { *after.get_pixel(0, y) } else { *after.get_pixel(x - 10, y) });
    write_placed(&fixture.path("before.tif"), &before, utm(400_000.0, 32633), None);
    write_placed(&fixture.path("after.tif"), &after, utm(400_000.0, 32633), None);
    write_placed(&fixture.path("framed.tif"), &framed, utm(399_995.0, 32633), None);
    write_placed(&fixture.path("elsewhere.tif"), &after, utm(500_000.0, 32633), None);
    write_placed(&fixture.path("zone.tif"), &after, utm(400_000.0, 32634), None);
    let predict = |second, out, more: &[&'static str]| {
        let fixed = [
            "predict",
            "--model",
            "run",
            "--input",
            "before.tif",
            "--input2",
            second,
            "--out",
            out,
            "--prob",
            "--whole",
        ];
        [&fixed[..], more].concat()
    };
    let error = fixture.error(1, &predict("framed.tif", "maps", &[]));
    assert!(error.contains("(400000, 5900000) and (399995, 5900000)") && error.contains("--align"), "{error}");
    let error = fixture.error(1, &predict("elsewhere.tif", "maps", &["--align"]));
    assert!(error.contains("(500000, 5900000)") && error.contains("(400000, 5900000)"), "{error}");
    let error = fixture.error(1, &predict("zone.tif", "maps", &["--align"]));
    assert!(error.contains("EPSG:32634") && error.contains("EPSG:32633"), "{error}");

    for how in ["--align", "--align=nearest"] {
        fixture.json(&predict("framed.tif", "aligned", &[how, "--force"]));
        let mut file = RasterFile::open(&fixture.path("aligned/before_prob.tif")).expect("a map");
        let georeference = file.georeference().map(GeoReference::corner_transform).expect("a place");
        assert!((georeference[0] - 400_000.0).abs() < 1e-9, "on the grid of the first date");
        let Pixels::F32(probability) = file.window(0, 0, 64, 64).expect("its pixels").pixels else { panic!("floats") };
        let outside = |index: usize| index % 64 >= 54;
        assert!(
            (0..64 * 64).all(|index| probability[index].is_nan() == outside(index)),
            "{how}: outside there is nothing"
        );
    }
    // on the grid itself nothing is resampled
    fixture.json(&predict("after.tif", "plain", &[]));
    fixture.json(&predict("after.tif", "same", &["--align"]));
    same_files(&fixture.path("plain"), &fixture.path("same"), &["before_mask.tif", "before_prob.tif"]);
}
