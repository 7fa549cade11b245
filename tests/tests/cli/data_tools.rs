//! `data tile`, `split`, `sample`, `preview` and `compare`: nothing is written without `--apply`, nothing is overwritten, and
//! what was interrupted goes on.

use super::fixture::{Fixture, scene, train, write, write_label};
use burn_rsmamba_datasets::{GeoReference, GeoTags, LabelRule, Pixels, Raster, RasterFile, read_label, read_raster};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// All files below a folder, hidden ones too.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return BTreeSet::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { [path].into() }).collect()
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

#[test]
fn tiles_are_cut_once_and_only_when_asked_for() {
    let fixture = Fixture::new();
    fixture.change("change");
    let tile = ["data", "tile", "--data", "change", "--task", "cd", "--size", "32", "--stride", "16", "--out", "tiles"];
    let dry = fixture.json(&tile);
    assert_eq!((&dry["applied"], dry["written"].as_u64()), (&Value::Bool(false), Some(8 * 9 * 3)));
    assert!(!fixture.path("tiles").exists(), "a dry run writes nothing");

    let apply = [&tile[..], &["--apply"]].concat();
    let report = fixture.json(&apply);
    assert_eq!((report["written"].as_u64(), report["parts"]["train"].as_u64()), (Some(216), Some(36)));
    let image = read_raster(&fixture.path("tiles/train/B/s1_y00016_x00032.png")).expect("a tile");
    let whole = read_raster(&fixture.path("change/train/B/s1.png")).expect("the scene");
    assert_eq!(image.to_chw_f32(), whole.crop_chw_f32(16, 32, 32, 32));
    let label = read_label(&fixture.path("tiles/train/label/s1_y00016_x00032.png"), &LabelRule::Auto).expect("a label");
    assert_eq!(label.target(), 17 * 5);

    // as if interrupted: what is gone comes again, what is there stays
    let before = files(&fixture.path("tiles"));
    fs::remove_file(fixture.path("tiles/val/A/s0_y00000_x00000.png")).expect("removed");
    let kept = fixture.path("tiles/train/B/s1_y00016_x00032.png");
    fs::write(&kept, "mine").expect("written");
    let report = fixture.json(&apply);
    assert_eq!((report["written"].as_u64(), report["present"].as_u64()), (Some(1), Some(215)));
    assert_eq!(files(&fixture.path("tiles")), before);
    assert_eq!(fs::read(&kept).expect("read"), b"mine", "nothing is overwritten");

    // and other settings do not mix with them
    let other: Vec<&str> = apply.iter().map(|&argument| if argument == "16" { "32" } else { argument }).collect();
    let error = fixture.error(1, &other);
    assert!(error.contains("tiles.toml") && error.contains("--out"), "{error}");
    let error = fixture.error(2, &[&tile[..8], &["--out", "x", "--stride", "64"]].concat());
    assert!(error.contains("--stride"), "{error}");
    let error = fixture.error(1, &[&tile[..6], &["--size", "30000", "--out", "x"]].concat());
    assert!(error.contains("30000") && error.contains("at most 26754"), "{error}");
}

#[test]
fn tiles_of_a_geotiff_lie_where_the_scene_lies() {
    let fixture = Fixture::new();
    let georeference = GeoReference {
        transform: [500_000.0, 0.5, 0.0, 4_000_000.0, 0.0, -0.5],
        keys: vec![1, 1, 0, 1, 3072, 0, 1, 32_633],
        doubles: Vec::new(),
        ascii: String::new(),
    };
    let values: Vec<u16> = (0..70 * 50 * 4).map(|value| value as u16 + 1).collect();
    let raster = Raster { width: 70, height: 50, bands: 4, pixels: Pixels::U16(values) };
    for folder in ["images", "labels"] {
        fs::create_dir_all(fixture.path(folder)).expect("made");
    }
    let file = File::create(fixture.path("images/scene.tif")).expect("made");
    let metadata =
        r#"<GDALMetadata><Item name="DESCRIPTION" sample="3" role="description">near infrared</Item></GDALMetadata>"#;
    let tags =
        GeoTags { georeference: Some(georeference.clone()), nodata: Some(0.0), metadata: Some(metadata.to_owned()) };
    raster.write_geotiff(file, &tags).expect("written");
    let label = image::GrayImage::from_fn(70, 50, |x, _| image::Luma([if x < 35 { 255 } else { 0 }]));
    label.save(fixture.path("labels/scene.png")).expect("written");

    let source = ["data", "tile", "--images", "images", "--labels", "labels", "--size", "32", "--apply"];
    fixture.json(&[&source[..], &["--edge", "pad", "--out", "padded"]].concat());
    let mut tile = RasterFile::open(&fixture.path("padded/image/scene_y00032_x00064.tif")).expect("a tile");
    assert_eq!((tile.width(), tile.height(), tile.bands()), (32, 32, 4));
    assert_eq!(tile.tags(), GeoTags { georeference: Some(georeference.shifted(64, 32)), ..tags });
    let found = tile.window(0, 0, 32, 32).expect("pixels");
    assert_eq!(found.to_chw_f32(), raster.crop_chw_f32(32, 64, 32, 32), "beyond the border the last pixels repeat");
    let label = RasterFile::open(&fixture.path("padded/label/scene_y00000_x00032.tif")).expect("a label");
    assert_eq!(label.georeference(), Some(&georeference.shifted(32, 0)));

    let report = fixture.json(&[&source[..], &["--edge", "drop", "--out", "dropped"]].concat());
    assert_eq!(report["parts"]["all"], 2);
}

#[test]
fn tiles_keep_classes_and_pixels_that_count_nowhere() {
    let fixture = Fixture::new();
    let (image, label) = scene(0);
    let values = [0, 1, 3, 255];
    let label = image::GrayImage::from_fn(label.width(), label.height(), |x, _| image::Luma([values[x as usize % 4]]));
    write(&fixture.path("images/a.png"), &image);
    write_label(&fixture.path("labels/a.png"), &label);
    let source = ["data", "tile", "--images", "images", "--labels", "labels", "--size", "32", "--out", "tiles"];
    fixture.json(&[&source[..], &["--label-rule", "ignore:255:classes:4", "--apply"]].concat());
    let tile = read_raster(&fixture.path("tiles/label/a_y00000_x00000.png")).expect("a tile");
    let Pixels::U8(found) = tile.pixels else { panic!("bytes") };
    assert_eq!(found[..8], [0, 1, 3, 255, 0, 1, 3, 255]);
}

/// Single images and labels, and tiles of two scenes.
fn unsplit(fixture: &Fixture) {
    let tiles = (0..6).flat_map(|tile| ["north", "south"].map(|name| format!("{name}_y00000_x{:05}", 32 * tile)));
    for name in tiles.chain((0..8).map(|index| format!("s{index}"))) {
        let (image, label) = scene(name.len() as u32 % 4);
        write(&fixture.path("all/image").join(format!("{name}.png")), &image);
        write_label(&fixture.path("all/label").join(format!("{name}.png")), &label);
    }
}

#[test]
fn a_split_repeats_keeps_scenes_together_and_can_be_trained_on() {
    let fixture = Fixture::new();
    unsplit(&fixture);
    let source = ["data", "split", "--images", "all/image", "--labels", "all/label"];
    let split = [&source[..], &["--ratio", "0.6,0.2,0.2", "--out", "split"]].concat();
    let dry = fixture.json(&split);
    assert_eq!((dry["written"].as_u64(), &dry["applied"]), (Some(40), &Value::Bool(false)));
    assert!(!fixture.path("split").exists());

    let apply = [&split[..], &["--apply"]].concat();
    let report = fixture.json(&apply);
    assert_eq!(report["parts"], dry["parts"]);
    let list = fs::read_to_string(fixture.path("split/train.txt")).expect("a list");
    let (head, names) = list.split_once('\n').expect("lines");
    assert!(head.contains("seed 42") && head.contains("0.6"), "{head}");
    let written = files(&fixture.path("split/train/image"));
    assert_eq!(names.lines().collect::<BTreeSet<_>>(), written.iter().map(|path| stem(path)).collect());
    for place in ["north", "south"] {
        let holds = |split: &&&str| {
            let images = files(&fixture.path("split").join(split).join("image"));
            images.iter().any(|path| stem(path).starts_with(place))
        };
        assert_eq!(["train", "val", "test"].iter().filter(holds).count(), 1, "{place} in one split");
    }
    let ran = fixture.run(&["data", "check", "--data", "split", "--task", "ss"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 3), "{}", ran.stderr);

    // again: nothing to do; interrupted: the rest; another seed or a changed file: refused
    assert_eq!(fixture.json(&apply)["written"], 0);
    fs::remove_file(fixture.path("split/test.txt")).expect("removed");
    fs::remove_file(written.first().expect("a file")).expect("removed");
    assert_eq!(fixture.json(&apply)["written"], 1);
    assert!(fixture.path("split/test.txt").exists());
    let error = fixture.error(1, &[&apply[..], &["--seed", "7"]].concat());
    assert!(error.contains("--seed"), "{error}");
    fs::write(written.last().expect("a file"), "mine").expect("written");
    let error = fixture.error(1, &apply);
    assert!(error.contains("differs") && error.contains("--out"), "{error}");
}

#[test]
fn a_split_by_count_or_by_lists_is_what_was_asked_for() {
    let fixture = Fixture::new();
    unsplit(&fixture);
    let source = ["data", "split", "--images", "all/image", "--labels", "all/label", "--out", "split"];
    let with = |more: &[&'static str]| [&source[..], more].concat();
    assert_eq!(fixture.json(&with(&["--count", "8,6,6"]))["parts"]["val"], 6);
    assert!(fixture.error(2, &with(&["--count", "1,1,1"])).contains("20"));
    assert!(fixture.error(2, &with(&["--ratio", "0.5,0.1,0.1"])).contains("0.7"));
    assert!(fixture.error(2, &with(&[])).contains("--ratio"));
    // every name is of one place up to an empty start
    let together = fixture.json(&with(&["--count", "20,0,0", "--place-until", "s"]));
    assert_eq!(together["parts"]["train"], 20);

    fs::create_dir_all(fixture.path("lists")).expect("made");
    let list = |split: &str, text: &str| fs::write(fixture.path(&format!("lists/{split}.txt")), text).expect("written");
    list("train", "# chosen by hand\ns0\ns1\n\n");
    list("test", "s2\n");
    let report = fixture.json(&with(&["--lists", "lists"]));
    assert_eq!((report["parts"]["train"].as_u64(), report["parts"]["test"].as_u64()), (Some(2), Some(1)));
    list("val", "s2\n");
    assert!(fixture.error(1, &with(&["--lists", "lists"])).contains("s2"));
    list("val", "north_y00000_x00000\n");
    list("test", "north_y00000_x00032\n");
    assert!(fixture.error(1, &with(&["--lists", "lists"])).contains("north"));
    list("test", "nobody\n");
    assert!(fixture.error(1, &with(&["--lists", "lists"])).contains("nobody"));
}

#[test]
fn a_split_is_empty_only_where_it_was_asked_for() {
    let fixture = Fixture::new();
    unsplit(&fixture);
    let source = ["data", "split", "--images", "all/image", "--labels", "all/label", "--out", "split"];
    let with = |more: &[&'static str]| [&source[..], more].concat();
    // `north`, and all that begins with an s
    let error = fixture.error(2, &with(&["--ratio", "0.6,0.2,0.2", "--place-until", "s"]));
    assert!(error.contains("3 splits") && error.contains("2 place(s)") && error.contains("north"), "{error}");
    fixture.json(&with(&["--ratio", "0.7,0.3,0", "--apply"]));
    assert!(!fixture.path("split/test.txt").exists());
    let ran = fixture.run(&["data", "check", "--data", "split", "--task", "ss"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{}", ran.stderr);
    let ran = fixture.run(&train("ss", "split", "run", &["--epochs", "1"]));
    assert!(ran.code == 0 && ran.stderr.contains("the validation split is scored in its place"), "{}", ran.stderr);
}

#[test]
fn a_sample_is_a_small_dataset_of_its_own() {
    let fixture = Fixture::new();
    fixture.change("change");
    let sample = ["data", "sample", "--data", "change", "--task", "cd", "--count", "2", "--out", "small"];
    assert_eq!(fixture.json(&sample)["applied"], false);
    assert!(!fixture.path("small").exists());
    let apply = [&sample[..], &["--apply"]].concat();
    assert_eq!(fixture.json(&apply)["written"], 3 * 2 * 3);
    let first = files(&fixture.path("small"));
    assert_eq!(fixture.json(&apply)["present"], 18);
    let ran = fixture.run(&["data", "check", "--data", "small", "--task", "cd"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let other = [&sample[..8], &["--out", "other", "--seed", "3", "--apply"]].concat();
    fixture.json(&other);
    let names = |root: &str| -> BTreeSet<String> {
        files(&fixture.path(root).join("train")).iter().map(|path| stem(path).to_owned()).collect()
    };
    assert_eq!(first.len(), 18);
    assert_ne!(names("small"), names("other"), "another seed, another sample");
    let error = fixture.error(2, &["data", "sample", "--data", "demo", "--task", "ss", "--out", "x"]);
    assert!(error.contains("demo"), "{error}");
    assert!(fixture.error(2, &["data", "sample", "--out", "x"]).contains("--data"));
}

#[test]
fn copies_of_a_listed_dataset_are_named_after_their_scenes() {
    let fixture = Fixture::new();
    let places = ["east", "north", "south"];
    for place in places {
        let (image, label) = scene(place.len() as u32 % 4);
        for date in ["2019", "2023"] {
            write(&fixture.path("listed").join(place).join(format!("{date}.png")), &image);
        }
        write_label(&fixture.path("listed").join(place).join("new.png"), &label);
    }
    let line = |place: &str| format!("{place}/2019.png {place}/2023.png {place}/new.png\n");
    fs::write(fixture.path("listed/train.txt"), places.map(line).concat()).expect("written");
    let source = ["--data", "listed", "--task", "cd", "--apply", "--out"];
    for (tool, out) in [(&["sample", "--count", "3"][..], "small"), (&["split", "--count", "1,1,1"][..], "split")] {
        let report = fixture.json(&[&["data"][..], tool, &source, &[out]].concat());
        assert_eq!(report["written"], 9);
        let names = |folder: &str| -> BTreeSet<String> {
            let copies = files(&fixture.path(out));
            let inside = copies.iter().filter(|path| path.parent().is_some_and(|parent| parent.ends_with(folder)));
            inside.map(|path| stem(path).to_owned()).collect()
        };
        let expected: BTreeSet<String> = ["2019", "2019-2", "2019-3"].map(str::to_owned).into();
        assert_eq!(["A", "B", "label"].map(names), [(); 3].map(|()| expected.clone()));
        let ran = fixture.run(&["data", "check", "--data", out, "--task", "cd"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn a_preview_shows_scenes_and_replaces_nothing() {
    let fixture = Fixture::new();
    fixture.segmentation("seg");
    let preview =
        ["data", "preview", "--data", "seg", "--task", "ss", "--count", "3", "--side", "32", "--out", "p.png"];
    let report = fixture.json(&preview);
    assert_eq!(report["scenes"].as_array().map(Vec::len), Some(3));
    let sheet = read_raster(&fixture.path("p.png")).expect("a picture");
    // image and label of each scene side by side, scenes below each other
    assert_eq!((sheet.width, sheet.height), (2 * 36 + 4, 3 * 36 + 4));
    let error = fixture.error(2, &preview);
    assert!(error.contains("p.png") && error.contains("--out"), "{error}");
}

#[test]
fn a_comparison_ranks_by_what_differs() {
    let fixture = Fixture::new();
    for (name, marked) in [("a", 10), ("b", 30), ("c", 0)] {
        for (folder, more) in [("one", 0), ("two", if name == "a" { 6 } else { 1 })] {
            let mask = image::GrayImage::from_fn(8, 8, |x, y| image::Luma([255 * u8::from(y * 8 + x < marked + more)]));
            write_label(&fixture.path(folder).join(format!("{name}_mask.png")), &mask);
        }
    }
    // pictures beside the masks are not compared
    let (image, _) = scene(0);
    write(&fixture.path("one/a_overlay.png"), &image);
    let ran = fixture.run(&["data", "compare", "--first", "one", "--second", "two"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["a_mask", "b_mask", "c_mask"]);
    assert_eq!(
        (&lines[0]["differ"], &lines[0]["only_second"], &lines[0]["pixels"]),
        (&6.into(), &6.into(), &64.into())
    );
    let iou = lines[0]["iou"].as_f64().expect("a number");
    assert!((iou - 10.0 / 16.0).abs() < 1e-12, "{iou}");
    let top = fixture.run(&["data", "compare", "--first", "one", "--second", "two", "--top", "1"]);
    assert_eq!(top.stdout.lines().count(), 1);
    fs::create_dir_all(fixture.path("three")).expect("made");
    let mask = image::GrayImage::new(4, 4);
    write_label(&fixture.path("three/a_mask.png"), &mask);
    let error = fixture.error(1, &["data", "compare", "--first", "one", "--second", "three"]);
    assert!(error.contains("8x8") && error.contains("4x4"), "{error}");
}

#[test]
fn a_comparison_takes_masks_of_0_and_1_and_leaves_out_what_has_no_data() {
    let fixture = Fixture::new();
    let mask = |place: &str, values: [u8; 4]| {
        let picture = image::GrayImage::from_fn(8, 4, |x, _| image::Luma([values[x as usize % 4]]));
        write_label(&fixture.path(place), &picture);
    };
    let compare = ["data", "compare", "--first", "one", "--second", "two"];
    mask("one/a.png", [0, 1, 1, 127]);
    mask("two/a.png", [0, 255, 0, 255]);
    let found = fixture.json(&compare);
    assert_eq!((&found["pixels"], &found["only_first"], &found["only_second"]), (&24.into(), &8.into(), &0.into()));
    assert_eq!(found["iou"], 0.5);
    mask("one/a.png", [127; 4]);
    assert_eq!(fixture.json(&compare)["share"], 0.0);
    for (values, part) in [([0, 1, 2, 0], "the value 2"), ([0, 1, 255, 0], "both 1 and 255")] {
        mask("one/a.png", values);
        let error = fixture.error(1, &compare);
        assert!(error.contains("a.png") && error.contains(part) && error.contains("127"), "{error}");
    }
}
