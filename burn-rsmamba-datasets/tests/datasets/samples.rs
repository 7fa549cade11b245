//! Real files, where they are at hand.

use std::path::{Path, PathBuf};

use burn_dataset::Dataset;
use burn_rsmamba_datasets::{CropOptions, Crops, Dates, LabelRule, Split, list_images, open, read_label, read_raster};

use super::support::{read_mask, skipped};

/// A folder of the real samples, or a visible line.
fn samples(folder: &str) -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if data.is_dir() {
        return Some(data.join(folder));
    }
    skipped("../shared/data is absent");
    None
}

#[test]
fn levir_cd_opens_and_loads() {
    let Some(root) = samples("levir-cd") else { return };
    for (split, count) in [(Split::Train, 12), (Split::Val, 2), (Split::Test, 4)] {
        let set = open(&root, Dates::Two, split).unwrap();
        // a miniature: its count is told
        assert_eq!((set.layout, set.scenes.len(), set.warnings.len()), ("LEVIR-CD", count, 1));
    }
    let set = open(&root, Dates::Two, Split::Val).unwrap();
    let crops = Crops::new(&set, CropOptions::default()).unwrap();
    assert_eq!((crops.len(), crops.skipped_blank(), crops.bands()), (32, 0, 3));
}

#[test]
fn massachusetts_roads_skip_blank_crops() {
    let Some(root) = samples("massachusetts-roads") else { return };
    let set = open(&root, Dates::One, Split::Val).unwrap();
    let crops = Crops::new(&set, CropOptions::default()).unwrap();
    assert_eq!(crops.len() + crops.skipped_blank(), 2 * 36);
    assert!(crops.skipped_blank() > 0);
}

#[test]
fn labels_that_are_binary_read() {
    let Some(odd) = samples("odd") else { return };
    for folder in ["labels-0-1/label", "tiff-lzw-predictor2-labels", "tiff-single-strip-labels"] {
        for path in list_images(&odd.join(folder)).unwrap() {
            let mask = read_mask(&path).unwrap();
            assert!(mask.data.iter().all(|&value| value <= 1), "{}", path.display());
        }
    }
}

#[test]
fn labels_that_are_not_say_why() {
    let Some(odd) = samples("odd") else { return };
    for (folder, expected) in [
        ("bmp-extra-greys/label", "convert it to 0"),
        ("red-on-black-labels", "is a coloured label"),
        ("tiff-labels-1-2", "holds the values 1, 2; "),
        ("epfl-grey-rgba/label", "convert it to 0"),
    ] {
        for path in list_images(&odd.join(folder)).unwrap() {
            let error = read_mask(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

#[test]
fn a_rule_reads_the_odd_ones() {
    let Some(odd) = samples("odd") else { return };
    for (folder, rule) in [
        ("bmp-extra-greys/label", "threshold:128"),
        ("red-on-black-labels", "channel:0"),
        ("tiff-labels-1-2", "map:2"),
        ("rgb-label/label", "nonzero"),
        ("rgba-label/label", "nonzero"),
        ("epfl-grey-rgba/label", "threshold:128"),
    ] {
        let rule: LabelRule = rule.parse().unwrap();
        let (mut target, mut all) = (0, 0);
        for path in list_images(&odd.join(folder)).unwrap() {
            let mask = read_label(&path, &rule).unwrap();
            target += mask.target();
            all += mask.data.len();
        }
        assert!(target > 0 && target < all, "{folder}: {target} of {all} pixels are target");
    }
}

#[test]
fn odd_images_read() {
    let Some(odd) = samples("odd") else { return };
    for folder in
        ["bmp-extra-greys/t1", "epfl-grey-rgba/image", "rgb-label/image", "rgba-label/t1", "unpaired-interlaced-rgba"]
    {
        for path in list_images(&odd.join(folder)).unwrap() {
            assert_eq!(read_raster(&path).unwrap().bands, 3, "{}", path.display());
        }
    }
    assert!(list_images(&odd.join("sidecars")).unwrap_err().to_string().contains("holds no images"));
}
