//! Scenes: interrupted and resumed, of several files, aligned, within a limit of memory.

use super::fixture::{
    Fixture, files, halving_threshold, holds, kill_when, scene, start_until, train, trained, utm, write, write_geotiff,
    write_label,
};
use burn_rsmamba_datasets::{GeoReference, GeoTags, Pixels, RasterFile};
use burn_rsmamba_tests::fixtures::python_with_rasterio;
use image::{GrayImage, RgbImage};
use std::{fs, path::Path};

/// Bytes of the record of `tall` once 40 of its rows are finished.
const SOME_ROWS: u64 = 40 * 64 * 4;

/// A picture of many rows of windows of 32.
fn tall() -> RgbImage {
    let scenes: Vec<RgbImage> = (0..4).map(|index| scene(index).0).collect();
    RgbImage::from_fn(64, 1600, |x, y| *scenes[y as usize / 64 % 4].get_pixel(x, y % 64))
}

fn same_files(left: &Path, right: &Path, names: &[&str]) {
    for name in names {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(read(left) == read(right), "{name} differs");
    }
}

#[test]
fn a_killed_run_goes_on_and_leaves_the_same_bytes() {
    let fixture = trained();
    write(&fixture.path("input/tall.png"), &tall());
    write(&fixture.path("input/a.png"), &scene(0).0);
    fixture.json(&["predict", "--model", "run", "--input", "input", "--out", "first", "--prob"]);
    let threshold = halving_threshold(&fixture.path("first/tall_prob.tif"));
    let outputs = ["tall_mask.png", "tall_prob.tif", "tall_overlay.png", "tall_polygons.geojson", "index.html"];
    let predict = |out, more: &[&'static str]| {
        let base = ["predict", "--model", "run", "--input", "input", "--out", out, "--threshold", &threshold];
        let objects = ["--polygons", "--min-area", "9", "--fill-holes"];
        [&base[..], &["--prob", "--overlay", "--html"], &objects, more].concat()
    };
    let whole = fixture.json(&predict("whole", &[]));
    assert!(whole["objects"].as_u64() > Some(0), "{whole}");

    // killed as soon as some rows of the second scene are finished
    let journal = fixture.path("maps/tall_unfinished");
    let mut command = fixture.command(&predict("maps", &[]));
    kill_when(&mut command, "a record of some rows", || holds(&journal, SOME_ROWS));
    assert!(
        outputs.iter().all(|name| !fixture.path("maps").join(name).exists()),
        "outputs appear when they are complete"
    );
    let left = fs::read(&journal).expect("a journal");
    let first = fs::metadata(fixture.path("maps/a_mask.png")).and_then(|file| file.modified()).expect("finished");

    let error = fixture.error(2, &predict("maps", &[]));
    assert!(error.contains("tall_unfinished") && error.contains("--resume"), "{error}");
    let alone = ["predict", "--model", "run", "--input", "input/tall.png", "--out", "maps"];
    let error = fixture.error(2, &alone);
    assert!(error.contains("tall_unfinished") && error.contains("--resume"), "{error}");
    let error = fixture.error(1, &predict("maps", &["--resume", "--window", "64"]));
    assert!(error.contains("windows of 32 pixels, 8 shared") && error.contains("windows of 64"), "{error}");
    assert!(fs::read(&journal).expect("a journal") == left, "a refusal leaves it");

    // maps made in another way are not added to those that are there
    let flags = ["--out", "maps", "--threshold", "0.123", "--tta", "--polygons", "--min-area", "9", "--resume"];
    let error = fixture.error(1, &[&["predict", "--model", "run", "--input", "input"][..], &flags].concat());
    for part in [&format!("threshold {threshold}, now 0.123"), "--tta false, now true", "--fill-holes true, now false"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    // also from a record that was cut off, and from one that is damaged
    fs::create_dir(fixture.path("cut")).expect("made");
    fs::create_dir(fixture.path("damaged")).expect("made");
    fs::write(fixture.path("cut/tall_unfinished"), &left[..left.len() - 5]).expect("written");
    let mut damaged = left.clone();
    let middle = left.len() - 3000;
    damaged[middle] ^= 1;
    fs::write(fixture.path("damaged/tall_unfinished"), &damaged).expect("written");
    for folder in ["maps", "cut", "damaged"] {
        let resumed = fixture.json(&predict(folder, &["--resume"]));
        assert_eq!((&resumed["marked"], &resumed["objects"]), (&whole["marked"], &whole["objects"]), "{folder}");
        same_files(&fixture.path("whole"), &fixture.path(folder), &outputs);
        let names = files(&fixture.path(folder));
        assert_eq!(names.len(), 9, "{folder}: nothing is left beside: {names:?}");
    }
    let again = fs::metadata(fixture.path("maps/a_mask.png")).and_then(|file| file.modified()).expect("there");
    assert_eq!(first, again, "what was finished is left alone");
    let ran = fixture.run(&predict("maps", &["--resume"]));
    assert!(ran.code == 0 && ran.stdout.is_empty() && ran.stderr.contains("2 of 2"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_the_middle_of_a_scene_leaves_it_to_resume() {
    let fixture = trained();
    write(&fixture.path("tall.png"), &tall());
    let predict = |out| ["predict", "--model", "run", "--input", "tall.png", "--out", out, "--prob"];
    fixture.json(&predict("whole"));
    let (mut command, journal) = (fixture.command(&predict("maps")), fixture.path("maps/tall_unfinished"));
    let child = start_until(&mut command, "a record of some rows", || holds(&journal, SOME_ROWS));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("interrupted; finished rows are kept, go on with --resume"), "{stderr}");
    // (those that are written at the time are hidden)
    let shown: Vec<String> = files(&fixture.path("maps")).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(shown, ["tall_unfinished"], "no output is half there");
    fixture.json(&[&predict("maps")[..], &["--resume"]].concat());
    same_files(&fixture.path("whole"), &fixture.path("maps"), &["tall_mask.png", "tall_prob.tif"]);
}

#[test]
fn pictures_that_a_killed_run_did_not_finish_are_made_by_the_next() {
    let fixture = trained();
    write(&fixture.path("tall.png"), &tall());
    let label = |y: u32| image::Luma([if (y / 20).is_multiple_of(2) { 255 } else { 0 }]);
    write_label(&fixture.path("label.png"), &GrayImage::from_fn(64, 1600, |_, y| label(y)));
    let predict = |out| {
        let fixed = ["predict", "--model", "run", "--input", "tall.png", "--labels", "label.png", "--overlay"];
        [&fixed[..], &["--out", out]].concat()
    };
    let whole = fixture.json(&predict("whole"));
    let pictures = ["tall_overlay.png", "tall_errors.png"];
    // (three moments belong to the record) in the middle of the overlay, of the picture of errors, and after both
    for (out, moment, complete) in [("maps1", "4", 0), ("maps2", "5", 1), ("maps3", "6", 2)] {
        let ran = fixture.command(&predict(out)).env("BURN_RSMAMBA_DIE_AT", moment).output().expect("it starts");
        assert_eq!(ran.status.code(), None, "it was killed: {}", String::from_utf8_lossy(&ran.stderr));
        let there: Vec<_> = pictures.iter().filter(|name| fixture.path(out).join(name).exists()).collect();
        assert_eq!(there, pictures[..complete].iter().collect::<Vec<_>>(), "a picture is whole or not there");
        let resumed = fixture.json(&[&predict(out)[..], &["--resume"]].concat());
        assert_eq!(resumed["scores"], whole["scores"]);
        same_files(&fixture.path("whole"), &fixture.path(out), &["tall_mask.png", pictures[0], pictures[1]]);
        assert_eq!(files(&fixture.path(out)).len(), 3, "nothing is left beside");
    }
}

#[test]
fn a_journal_of_other_images_or_weights_is_refused() {
    let fixture = trained();
    let (data, journal) = (fixture.path("seg"), fixture.path("maps/tall_unfinished"));
    write(&fixture.path("tall.png"), &tall());
    let predict = ["predict", "--model", "run", "--input", "tall.png", "--out", "maps", "--resume"];
    let begin = [&predict[..predict.len() - 1], &["--force"]].concat();
    let interrupt = || {
        kill_when(&mut fixture.command(&begin), "a record of some rows", || holds(&journal, SOME_ROWS));
    };
    interrupt();
    write(&fixture.path("tall.png"), &tall());
    let error = fixture.error(1, &predict);
    assert!(error.contains("tall.png") && error.contains("--force"), "{error}");

    fs::remove_file(&journal).expect("there");
    interrupt();
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1", "--force"]));
    let error = fixture.error(1, &predict);
    assert!(error.contains("best.safetensors"), "{error}");
    assert_eq!(fixture.run(&begin).code, 0);
    assert!(!journal.exists());
}

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

/// `--resume` takes a map for done only where the record says that it was made of this image and in this way.
#[test]
fn maps_that_were_made_in_another_way_are_never_taken_for_done() {
    let fixture = trained();
    for (name, index) in [("a", 0), ("b", 1), ("c", 2)] {
        write(&fixture.path("input").join(format!("{name}.png")), &scene(index).0);
    }
    let predict = |more: &[&'static str]| {
        [&["predict", "--model", "run", "--input", "input", "--out", "maps", "--prob"][..], more].concat()
    };
    let mask = |name: &str| fs::read(fixture.path("maps").join(format!("{name}_mask.png"))).expect("a mask");
    fixture.json(&predict(&["--threshold", "0.01"]));
    let all = ["a", "b", "c"].map(mask);

    // killed after the first map of a run that replaces them
    let moment = |at: &str| {
        let mut command = fixture.command(&predict(&["--threshold", "0.99", "--force"]));
        command.env("BURN_RSMAMBA_DIE_AT", at).output().expect("it starts").status.code()
    };
    let killed = (1..20).find(|at| {
        let code = moment(&at.to_string());
        code.is_none() && mask("a") != all[0] && mask("c") == all[2]
    });
    assert!(killed.is_some(), "some moment lies between the first and the last map");
    let ran = fixture.run(&predict(&["--threshold", "0.99", "--resume"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("3 of 3"), "{}", ran.stderr);
    fixture.run(&[&predict(&[])[..6], &["fresh", "--prob", "--threshold", "0.99"]].concat());
    for name in ["a", "b", "c"] {
        let fresh = fs::read(fixture.path("fresh").join(format!("{name}_mask.png"))).expect("a mask");
        assert!(mask(name) == fresh, "{name} is a map of the last run");
    }

    // a run that is complete remembers too: other settings, another image, another file of outputs
    let error = fixture.error(1, &predict(&["--threshold", "0.5", "--resume"]));
    assert!(error.contains("threshold 0.99, now 0.5") && error.contains("--force"), "{error}");
    write(&fixture.path("input/d.png"), &scene(3).0);
    let error = fixture.error(1, &predict(&["--threshold", "0.5", "--resume"]));
    assert!(error.contains("threshold 0.99, now 0.5"), "{error}");
    let ran = fixture.run(&predict(&["--threshold", "0.99", "--resume"]));
    assert!(ran.code == 0 && ran.stderr.contains("3 of 4 are mapped already"), "{}", ran.stderr);
    let before = mask("a");
    let ran = fixture.run(&predict(&["--threshold", "0.99", "--resume", "--overlay"]));
    assert!(ran.code == 0 && fixture.path("maps/a_overlay.png").is_file(), "{}", ran.stderr);
    assert!(mask("a") == before);
    write(&fixture.path("input/a.png"), &scene(7).0);
    let error = fixture.error(1, &predict(&["--threshold", "0.99", "--resume"]));
    assert!(error.contains("other files than input/a.png"), "{error}");
    // the same weights by another path are the same weights
    fs::copy(fixture.path("run/best.safetensors"), fixture.path("best.safetensors")).expect("copied");
    let other = ["predict", "--model", "best.safetensors", "--input", "input/b.png", "--out", "maps", "--prob"];
    let ran = fixture.run(&[&other[..], &["--threshold", "0.99", "--resume"]].concat());
    assert!(ran.code == 0 && ran.stderr.contains("1 of 1"), "{}", ran.stderr);
    // and what nothing is known of is nobody's
    fs::remove_file(fixture.path("maps/.burn-rsmamba-predict.jsonl")).expect("a record");
    let error = fixture.error(1, &predict(&["--threshold", "0.99", "--resume"]));
    assert!(error.contains("nothing tells how maps/a_mask.png was made"), "{error}");
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

/// Writes a picture that lies somewhere; 9 stands for no data.
fn write_placed(path: &Path, picture: &RgbImage, georeference: GeoReference) {
    write_geotiff(path, picture, &GeoTags { georeference: Some(georeference), nodata: Some(9.0), metadata: None });
}

/// GDAL is the judge, where Python has rasterio.
#[test]
fn gdal_finds_the_maps_where_the_scene_is() {
    let fixture = trained();
    let mut picture = tall();
    for (x, y) in (0..64).flat_map(|x| (700..900).map(move |y| (x, y))) {
        picture.put_pixel(x, y, image::Rgb([9, 9, 9]));
    }
    write_placed(&fixture.path("scene.tif"), &picture, utm(399_960.0, 32633));
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
    write_placed(&fixture.path("degrees.tif"), &scene(0).0, degrees);
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
    write_placed(&fixture.path("before.tif"), &before, utm(400_000.0, 32633));
    write_placed(&fixture.path("after.tif"), &after, utm(400_000.0, 32633));
    write_placed(&fixture.path("framed.tif"), &framed, utm(399_995.0, 32633));
    write_placed(&fixture.path("elsewhere.tif"), &after, utm(500_000.0, 32633));
    write_placed(&fixture.path("zone.tif"), &after, utm(400_000.0, 32634));
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
