use std::fs;

use burn_rsmamba_datasets::{CropOptions, Crops, DatasetError, DatasetFolder, Dates, Split, open};
use image::GrayImage;

use super::support::{at, fill, folder, message, pattern};

#[test]
fn image_without_label() {
    let root = folder();
    let images: Vec<_> = (1..=8).map(|i| format!("train/image/{i}.png")).collect();
    let images: Vec<_> = images.iter().map(String::as_str).collect();
    fill(&root, &images, &["train/label/2.png"]);
    let message = message(open(root.path(), Dates::One, Split::Train), &root.path().join("train/label"));
    assert!(message.starts_with("PATH has no label for 1, 3, 4, 5, 6 and 2 more; add what is"), "{message}");
}

#[test]
fn label_without_image() {
    let root = folder();
    fill(&root, &["train/sat/1.png"], &["train/map/1.png", "train/map/2.png"]);
    let message = message(open(root.path(), Dates::One, Split::Train), &root.path().join("train/sat"));
    assert!(message.starts_with("PATH has no image for 2; add what is missing, remove the others or"), "{message}");
}

#[test]
fn missing_date() {
    let root = folder();
    fill(&root, &["train/A/1.png", "train/A/2.png", "train/B/1.png"], &["train/label/1.png", "train/label/2.png"]);
    let message = message(open(root.path(), Dates::Two, Split::Train), &root.path().join("train/B"));
    assert!(message.starts_with("PATH has no image for 2; add what is missing, remove the others or"), "{message}");
}

#[test]
fn everything_unpaired_is_listed_at_once() {
    let root = folder();
    fill(&root, &["train/A/1.png", "train/A/2.png", "train/B/1.png", "train/B/3.png"], &["train/label/1.png"]);
    let Err(DatasetError::Unpaired(lacks)) = open(root.path(), Dates::Two, Split::Train) else { panic!("an error") };
    let names: Vec<_> = lacks.iter().map(|lack| (lack.what, lack.names.0.join(" "))).collect();
    assert_eq!(names, [("image", "3".into()), ("image", "2".into()), ("label", "2 3".to_string())]);
}

#[test]
fn unpaired_files_are_left_out_where_that_is_allowed() {
    let root = folder();
    fill(&root, &["train/t1/1.png", "train/t1/2.png", "train/t2/1.png"], &["train/label/1.png"]);
    let folder = DatasetFolder::official(root.path(), Dates::Two);
    assert!(folder.open(Split::Train).is_err());
    let folder = folder.allow_unpaired(true);
    let set = folder.open(Split::Train).unwrap();
    assert_eq!((set.scenes.len(), set.warnings.len()), (1, 2));
    assert!(set.warnings[0].to_string().ends_with("t2 has no image for 2; left out"), "{}", set.warnings[0]);
    // nothing at all fits: that is no dataset
    fs::rename(at(&root, "train/t2/1.png"), at(&root, "train/t2/9.png")).unwrap();
    assert!(matches!(folder.open(Split::Train), Err(DatasetError::Unpaired(_))));
}

#[test]
fn two_files_of_one_name() {
    let root = folder();
    fill(&root, &["train/image/1.png", "train/image/1.bmp"], &["train/label/1.png"]);
    let message = message(open(root.path(), Dates::One, Split::Train), &root.path().join("train/image/1.png"));
    assert!(message.ends_with("have the same name; keep one of them"), "{message}");
}

#[test]
fn sizes_that_differ() {
    let root = folder();
    fill(&root, &["test/A/1.png", "test/B/1.png"], &["test/label/1.png"]);
    let load = || open(root.path(), Dates::Two, Split::Test).unwrap().scenes[0].load();
    assert!(load().is_ok());

    let label = at(&root, "test/label/1.png");
    GrayImage::new(40, 31).save(&label).unwrap();
    let text = message(load(), &label);
    assert!(text.starts_with("PATH is 40x31 pixels but ") && text.contains(" is 40x32; give them"), "{text}");

    let second = at(&root, "test/B/1.png");
    pattern(44, 32).save(&second).unwrap();
    let text = message(load(), &second);
    assert!(text.starts_with("PATH is 44x32 pixels but ") && text.contains(" is 40x32; give them"), "{text}");
}

#[test]
fn bands_that_differ() {
    let root = folder();
    fill(&root, &["test/A/1.png", "test/B/1.png"], &["test/label/1.png"]);
    let second = at(&root, "test/B/1.png");
    GrayImage::new(40, 32).save(&second).unwrap();
    let set = open(root.path(), Dates::Two, Split::Test).unwrap();
    let text = message(set.scenes[0].load(), &second);
    assert!(text.starts_with("PATH has 1 bands but ") && text.contains(" has 3; give all"), "{text}");

    let root = folder();
    fill(&root, &["test/image/1.png", "test/image/2.png"], &["test/label/1.png", "test/label/2.png"]);
    let second = at(&root, "test/image/2.png");
    GrayImage::new(40, 32).save(&second).unwrap();
    let set = open(root.path(), Dates::One, Split::Test).unwrap();
    let text = message(Crops::new(&set, CropOptions::default()), &second);
    assert!(text.starts_with("PATH has 1 bands but "), "{text}");
}
