use std::fs;

use burn_rsmamba_datasets::{DatasetFolder, Dates, SceneOrigin, Split, list_images, open};

use super::support::{at, fill, folder, message};

#[test]
fn every_layout_is_found_in_every_spelling() {
    let cases: [(Dates, &str, &[&str], &str); 13] = [
        (Dates::One, "WHU Building", &["train/image/1.png"], "train/label/1.png"),
        (Dates::One, "WHU Building", &["Train/Image/1.png"], "Train/Mask/1.PNG"),
        (Dates::One, "WHU Building", &["train/images/1.JPG"], "train/masks/1.bmp"),
        (Dates::One, "Massachusetts sat/map", &["train/sat/1.png"], "train/map/1.png"),
        (Dates::One, "Massachusetts", &["tiff/train/1.tiff"], "tiff/train_labels/1.tif"),
        (Dates::One, "Massachusetts", &["train/1.tiff"], "train_labels/1.tif"),
        (Dates::Two, "LEVIR-CD", &["train/A/1.png", "train/B/1.png"], "train/label/1.png"),
        (Dates::Two, "LEVIR-CD", &["TRAIN/a/1.Png", "TRAIN/b/1.BMP"], "TRAIN/Label/1.tif"),
        (Dates::Two, "RS-Mamba change detection", &["train/t1/1.png", "train/t2/1.png"], "train/label/1.png"),
        (Dates::Two, "RS-Mamba change detection", &["train/T1/1.png", "train/T2/1.jpeg"], "train/LABEL/1.TIFF"),
        (Dates::Two, "LEVIR-CD", &["training/A/1.png", "training/B/1.png"], "training/label/1.png"),
        (Dates::Two, "A/B/label with splits inside", &["A/train/1.png", "B/train/1.tif"], "label/train/1.png"),
        (Dates::One, "WHU Building", &["train/image/1.tif"], "train/label/1.tif"),
    ];
    for (dates, layout, images, label) in cases {
        let root = folder();
        save(&root, images, label);
        let set = open(root.path(), dates, Split::Train).unwrap();
        assert_eq!((set.layout, set.scenes.len(), set.scenes[0].name.as_str()), (layout, 1, "1"), "{images:?}");
        let SceneOrigin::Files { images: found, label: Some(found_label), .. } = &set.scenes[0].source else {
            panic!("files are expected");
        };
        let expected: Vec<_> = images.iter().map(|image| root.path().join(image)).collect();
        assert_eq!((found, found_label), (&expected, &root.path().join(label)));
        let loaded = set.scenes[0].load().unwrap();
        assert_eq!(loaded.images.len(), dates.count());
    }
}

/// Files in the format of their extension, whatever its case.
fn save(root: &tempfile::TempDir, images: &[&str], label: &str) {
    let write = |path: &str, image: image::DynamicImage| {
        let target = at(root, path);
        if path.to_lowercase().contains(".tif") {
            super::rasters::save_tiff(&target, &image);
        } else {
            let format = image::ImageFormat::from_path(path.to_lowercase()).unwrap();
            image.save_with_format(target, format).unwrap();
        }
    };
    for path in images {
        write(path, super::support::pattern(40, 32).into());
    }
    write(label, super::support::label(40, 32, &[0, 255]).into());
}

#[test]
fn validation_goes_by_several_names() {
    for name in ["val", "Valid", "validation"] {
        let root = folder();
        fill(&root, &[&format!("{name}/image/1.png")], &[&format!("{name}/label/1.png")]);
        assert_eq!(open(root.path(), Dates::One, Split::Val).unwrap().scenes.len(), 1);
    }
}

#[test]
fn sidecars_and_hidden_files_are_passed_over() {
    let root = folder();
    fill(&root, &["test/image/b.1.png", "test/image/a.png"], &["test/label/a.png", "test/label/b.1.png"]);
    for sidecar in ["a.png.aux.xml", "a.png.ovr", "a.tfw", "._a.png", ".DS_Store", "Thumbs.db"] {
        fs::write(at(&root, &format!("test/image/{sidecar}")), "not an image").unwrap();
    }
    let set = DatasetFolder::official(root.path(), Dates::One).open(Split::Test).unwrap();
    let names: Vec<_> = set.scenes.iter().map(|scene| scene.name.as_str()).collect();
    assert_eq!((names, set.warnings), (vec!["a", "b.1"], Vec::new()));
}

#[test]
fn files_of_other_kinds_are_warned_of() {
    let root = folder();
    fill(&root, &["test/image/a.png"], &["test/label/a.png"]);
    fs::write(at(&root, "test/image/c.webp"), "RIFF").unwrap();
    let set = open(root.path(), Dates::One, Split::Test).unwrap();
    assert!(set.warnings[0].to_string().contains("ignored c.webp"), "{:?}", set.warnings);
}

#[test]
fn missing_folder() {
    let root = folder();
    let path = root.path().join("nowhere");
    assert_eq!(
        message(open(&path, Dates::One, Split::Train), &path),
        "PATH does not exist; check the spelling of the path"
    );
    assert!(message(list_images(&path), &path).contains("does not exist"));
}

#[test]
fn file_instead_of_folder() {
    let root = folder();
    let path = at(&root, "data.zip");
    fs::write(&path, "PK").unwrap();
    assert!(message(open(&path, Dates::One, Split::Train), &path).starts_with("PATH is a file; give the folder"));
}

#[test]
fn empty_folder() {
    let root = folder();
    let expected = "PATH holds no images; put PNG, JPEG, BMP or TIFF files there";
    assert_eq!(message(open(root.path(), Dates::One, Split::Train), root.path()), expected);
    assert_eq!(message(list_images(root.path()), root.path()), expected);

    fill(&root, &[], &["train/label/1.png"]);
    fs::create_dir_all(root.path().join("train/image")).unwrap();
    let inner = root.path().join("train/image");
    assert_eq!(message(open(root.path(), Dates::One, Split::Train), &inner), expected);
}

#[test]
fn unknown_layout_lists_both_sides() {
    let root = folder();
    fill(&root, &["train/before/1.png", "train/after/1.png"], &["train/label/1.png"]);
    assert_eq!(
        message(open(root.path(), Dates::Two, Split::Train), root.path()),
        "PATH has no known layout for change detection (two dates): looked for {split}/{A,B,label}, \
         {split}/{t1,t2,label}, {A,B,label}/{split}, {A,B,label} + list/{split}.txt, {split}.txt with lines `BEFORE AFTER \
         LABEL` and 2 more; found train/after, train/before, train/label; rename its folders to one of these"
    );
}

#[test]
fn missing_split() {
    let root = folder();
    fill(&root, &["train/image/1.png", "test/image/1.png"], &["train/label/1.png", "test/label/1.png"]);
    assert_eq!(
        message(open(root.path(), Dates::One, Split::Val), root.path()),
        "PATH has no val split (WHU Building layout, found train, test); add val/{image,label} or choose another split"
    );
}

#[test]
fn dataset_of_the_other_task() {
    let root = folder();
    fill(&root, &["train/A/1.png", "train/B/1.png"], &["train/label/1.png"]);
    assert_eq!(
        message(open(root.path(), Dates::One, Split::Train), root.path()),
        "PATH has the LEVIR-CD layout of change detection (two dates), not of segmentation (one date); use task cd"
    );
}

#[test]
fn images_are_listed_in_order() {
    let root = folder();
    fill(&root, &["b.png", "a.png"], &[]);
    fs::write(at(&root, "a.png.aux.xml"), "<x/>").unwrap();
    let expected = vec![root.path().join("a.png"), root.path().join("b.png")];
    assert_eq!(list_images(root.path()).unwrap(), expected);
    assert_eq!(list_images(&expected[1]).unwrap(), expected[1..]);
}
