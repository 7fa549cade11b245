//! `predict` interrupted, resumed and repeated: the same bytes as in one piece, and never a map of another run.

use super::fixture::{
    files, halving_threshold, holds, kill_when, same_files, scene, start_until, tall, train, trained, utm, write,
    write_geotiff, write_label,
};
use burn_rsmamba_datasets::GeoTags;
use image::GrayImage;
use std::fs;

/// Bytes of the record of `tall` once 40 of its rows are finished.
const SOME_ROWS: u64 = 40 * 64 * 4;

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
    assert_eq!(files(&fixture.path("maps")), ["tall_unfinished"], "no output is half there, nor a part of one");
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
    assert!(error.contains("other files than tall.png") && error.contains("--force"), "{error}");
    // the journal knows it too, where the record is gone
    fs::remove_file(fixture.path("maps/.burn-rsmamba-predict.jsonl")).expect("a record");
    let error = fixture.error(1, &predict);
    assert!(error.contains("cannot be resumed") && error.contains("tall.png"), "{error}");

    fs::remove_file(&journal).expect("there");
    interrupt();
    fixture.json(&train("ss", data.to_str().expect("text"), "run", &["--epochs", "1", "--force"]));
    let error = fixture.error(1, &predict);
    assert!(error.contains("cannot be resumed") && error.contains("best.safetensors"), "{error}");
    assert_eq!(fixture.run(&begin).code, 0);
    assert!(!journal.exists());
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

/// What a record says of one map it says of no other: neither of maps that another run left, nor of pictures of other labels.
#[test]
fn what_another_run_left_is_made_anew() {
    let fixture = trained();
    write(&fixture.path("a.png"), &scene(0).0);
    let predict = |more: &[&'static str]| {
        [&["predict", "--model", "run", "--input", "a.png", "--out", "maps", "--threshold", "0.3"][..], more].concat()
    };
    let read = |name: &str| fs::read(fixture.path("maps").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    fixture.json(&predict(&["--prob", "--tta"]));
    let stale = read("a_prob.tif");
    fixture.json(&predict(&["--force"]));
    fixture.json(&predict(&["--resume", "--prob"]));
    assert!(read("a_prob.tif") != stale, "probabilities of the run with --tta");
    // maps of the last run that are not asked for now stay known
    let ran = fixture.run(&predict(&["--resume"]));
    assert!(ran.code == 0 && ran.stderr.contains("1 of 1"), "{}", ran.stderr);
    let ran = fixture.run(&predict(&["--resume", "--prob"]));
    assert!(ran.code == 0 && ran.stderr.contains("1 of 1"), "{}", ran.stderr);

    write_label(&fixture.path("all.png"), &GrayImage::from_pixel(64, 64, image::Luma([255])));
    write_label(
        &fixture.path("half.png"),
        &GrayImage::from_fn(64, 64, |x, _| image::Luma([if x < 32 { 255 } else { 0 }])),
    );
    fixture.json(&predict(&["--force", "--labels", "all.png"]));
    let of_all = read("a_errors.png");
    let ran = fixture.run(&predict(&["--resume", "--labels", "half.png"]));
    assert!(ran.code == 0 && ran.stderr.contains("1 of 1"), "{}", ran.stderr);
    assert!(read("a_errors.png") != of_all, "the errors against the label of now");

    // where nothing of a place is left there is nothing to go on with, and nothing to refuse
    for name in files(&fixture.path("maps")) {
        fs::remove_file(fixture.path("maps").join(name)).expect("there");
    }
    fixture.json(&["predict", "--model", "run", "--input", "a.png", "--out", "maps", "--threshold", "0.7", "--resume"]);
    // what a folder without a record holds cannot be gone on with, which is not offered either
    fs::remove_file(fixture.path("maps/.burn-rsmamba-predict.jsonl")).expect("a record");
    let error = fixture.error(2, &predict(&[]));
    assert!(error.contains("a_mask.png exists already") && !error.contains("--resume"), "{error}");
    // two scenes of one name are one place
    write_geotiff(
        &fixture.path("other/a.tif"),
        &scene(1).0,
        &GeoTags { georeference: Some(utm(5.0, 32633)), ..GeoTags::default() },
    );
    let error = fixture.error(2, &["predict", "--model", "run", "--input", "other/a.tif", "--out", "maps"]);
    assert!(error.contains("a_mask.png exists already"), "{error}");
}

#[test]
fn rows_of_a_run_that_is_replaced_do_not_stand_in_the_way() {
    let fixture = trained();
    write(&fixture.path("input/a.png"), &scene(0).0);
    write(&fixture.path("input/tall.png"), &tall());
    let journal = fixture.path("maps/tall_unfinished");
    let predict = |more: &[&'static str]| {
        [&["predict", "--model", "run", "--input", "input", "--out", "maps"][..], more].concat()
    };
    kill_when(&mut fixture.command(&predict(&[])), "a record of some rows", || holds(&journal, SOME_ROWS));
    // killed at its first map, before it comes to the other one
    let mut command = fixture.command(&predict(&["--window", "64", "--force"]));
    let status = command.env("BURN_RSMAMBA_DIE_AT", "4").output().expect("it starts").status;
    assert_eq!(status.code(), None, "it was killed");
    assert!(!fixture.path("maps/tall_mask.png").exists());
    let ran = fixture.run(&predict(&["--window", "64", "--resume"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Paths are text in JSON; these are none.
#[cfg(target_os = "linux")]
#[test]
fn images_whose_names_are_no_text_are_mapped() {
    use std::os::unix::ffi::OsStrExt;
    let fixture = trained();
    let folder = fixture.path("input").join(std::ffi::OsStr::from_bytes(b"n\xff"));
    write(&folder.join("a.png"), &scene(0).0);
    let mut command = fixture.command(&["predict", "--model", "run", "--out", "maps", "--input"]);
    let output = command.arg(&folder).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fixture.path("maps/a_mask.png").is_file());
}
