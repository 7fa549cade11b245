//! Typed openers, known counts and whole scenes.

use burn_rsmamba_datasets::{DatasetFolder, DatasetWarning, Dates, SceneSet, Split, Window, open};

use super::support::{at, fill, folder, message, pattern};

/// The counts that a set warns of.
fn counts(set: &SceneSet) -> Vec<(usize, Vec<(&'static str, usize)>)> {
    let count = |warning: &DatasetWarning| match warning {
        DatasetWarning::Count { found, known, .. } => Some((*found, known.clone())),
        _ => None,
    };
    set.warnings.iter().filter_map(count).collect()
}

/// Empty files: opening decodes nothing.
fn touch(root: &tempfile::TempDir, folders: &[&str], extension: &str, count: usize) {
    for folder in folders {
        for index in 0..count {
            std::fs::write(at(root, &format!("{folder}/{index}.{extension}")), "").unwrap();
        }
    }
}

#[test]
fn counts_that_differ_are_a_warning_with_both_numbers() {
    let root = folder();
    touch(&root, &["val/A", "val/B", "val/label"], "png", 63);
    let open = || DatasetFolder::levir_cd(root.path()).open(Split::Val).unwrap();
    assert_eq!(counts(&open()), [(63, vec![("LEVIR-CD", 64), ("LEVIR-CD in tiles of 256 pixels", 1024)])]);
    assert_eq!(
        open().warnings[0].to_string(),
        "val: 63 scenes, where LEVIR-CD has 64 and LEVIR-CD in tiles of 256 pixels has 1024; check the download, unless \
         this is meant"
    );
    touch(&root, &["val/A", "val/B", "val/label"], "png", 64);
    assert_eq!(open().warnings, []);
    // of tiles of WHU-CD no number is canonical
    assert_eq!(DatasetFolder::whu_cd(root.path()).open(Split::Val).unwrap().warnings, []);
}

#[test]
fn each_dataset_has_its_own_counts() {
    let root = folder();
    touch(&root, &["test/sat", "test/map"], "tif", 10);
    let roads = DatasetFolder::massachusetts_roads(root.path()).open(Split::Test).unwrap();
    assert_eq!(counts(&roads), [(10, vec![("Massachusetts Roads", 49)])]);
    assert_eq!(open(root.path(), Dates::One, Split::Test).unwrap().warnings, [], "they may be the buildings");

    let root = folder();
    touch(&root, &["val/image", "val/label"], "TIF", 1038);
    let open = || DatasetFolder::whu_building(root.path()).open(Split::Val).unwrap();
    assert_eq!(counts(&open()), [(1038, vec![("WHU Building", 1036)])]);
    for extra in [1037, 1036] {
        for folder in ["image", "label"] {
            std::fs::remove_file(at(&root, &format!("val/{folder}/{extra}.TIF"))).unwrap();
        }
        assert_eq!(open().warnings, [], "8188 or 8189 tiles");
    }
    let official = DatasetFolder::official(root.path(), Dates::One).open(Split::Val).unwrap();
    assert_eq!((official.layout, official.warnings.len()), ("RS-Mamba", 0));
}

#[test]
fn a_typed_opener_takes_its_own_layouts_only() {
    let root = folder();
    fill(&root, &["train/sat/1.png"], &["train/map/1.png"]);
    let text = message(DatasetFolder::levir_cd(root.path()).open(Split::Train), root.path());
    assert!(text.starts_with("PATH has no known layout for change detection (two dates): looked for"), "{text}");
    let text = message(DatasetFolder::massachusetts_roads(root.path()).open(Split::Val), root.path());
    assert!(text.starts_with("PATH has no val split (Massachusetts sat/map layout, found train)"), "{text}");
}

fn save(root: &tempfile::TempDir, path: &str, width: u32, height: u32) {
    super::rasters::save_tiff(&at(root, path), &pattern(width, height).into());
}

fn save_label(root: &tempfile::TempDir, path: &str, width: u32, height: u32) {
    super::rasters::save_tiff(&at(root, path), &super::support::label(width, height, &[0, 1]).into());
}

#[test]
fn scenes_of_whu_cd_as_published() {
    let root = folder();
    let inside = "Building change detection dataset_add/1. The two-period image data";
    for (split, width) in [("train", 210), ("test", 110)] {
        for year in ["2012", "2016"] {
            save(&root, &format!("{inside}/{year}/whole_image/{split}/image/{year}_{split}.tif"), width, 150);
        }
        save_label(&root, &format!("{inside}/change_label/{split}/change_label.tif"), width, 150);
    }
    for place in ["", "Building change detection dataset_add", inside] {
        let root = root.path().join(place);
        let mut covered = 0;
        for (split, columns) in [(Split::Train, 0..189), (Split::Val, 189..210), (Split::Test, 0..110)] {
            let set = open(&root, Dates::Two, split).unwrap();
            assert_eq!((set.layout, set.scenes.len()), ("WHU-CD scenes", 1));
            let loaded = set.scenes[0].load().unwrap();
            assert_eq!((loaded.images[0].width, loaded.images[1].height), (columns.len(), 150));
            let whole = burn_rsmamba_datasets::Raster {
                width: 210,
                height: 150,
                bands: 3,
                pixels: burn_rsmamba_datasets::Pixels::U8(pattern(210, 150).into_raw()),
            };
            let expected = whole.crop_chw_f32(0, columns.start, 150, columns.len());
            assert_eq!(loaded.images[0].to_chw_f32(), expected, "{split}");
            let label = loaded.label.unwrap();
            assert_eq!(usize::from(label.data[0]), columns.start % 2);
            covered += columns.len();
        }
        assert_eq!(covered, 210 + 110);
    }
}

#[test]
fn one_scene_of_whu_cd_is_shared_out() {
    let root = folder();
    for file in ["before/before.tif", "after/after.tif", "before/before_label.tif", "after/after_label.tif"] {
        save(&root, file, 1000, 40);
    }
    save_label(&root, "change label/change_label.tif", 1000, 40);
    let mut columns = 0;
    for (split, right) in [(Split::Train, 630), (Split::Val, 700), (Split::Test, 1000)] {
        let set = DatasetFolder::whu_cd(root.path()).open(split).unwrap();
        assert_eq!(set.layout, "WHU-CD scene");
        let burn_rsmamba_datasets::SceneOrigin::Files { region, .. } = &set.scenes[0].source else { panic!("files") };
        assert_eq!(*region, Some(Window { top: 0, left: columns, bottom: 40, right }));
        columns = right;
    }
    save_label(&root, "change label/change_label.tif", 999, 40);
    let set = DatasetFolder::whu_cd(root.path()).open(Split::Val).unwrap();
    let label = root.path().join("change label/change_label.tif");
    assert!(message(set.scenes[0].reader().map(|_| ()), &label).starts_with("PATH is 999x40 pixels but "));
}
