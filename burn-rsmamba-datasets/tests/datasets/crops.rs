use burn_dataset::Dataset;
use burn_rsmamba_datasets::{CropOptions, Crops, DatasetError, Dates, Pixels, Raster, Window};

use super::support::{numbered, scene, scene_set};

fn crops(width: usize, height: usize, size: usize, overlap: usize) -> Crops {
    let set = scene_set(vec![scene("one", numbered(width, height), vec![1; width * height])]);
    Crops::new(&set, CropOptions { size, overlap, skip_blank: false, ..CropOptions::default() }).unwrap()
}

#[test]
fn every_pixel_counts_exactly_once() {
    for (size, overlap) in [(32, 0), (32, 1), (32, 16), (32, 31), (40, 9), (64, 20)] {
        for width in [1, 20, 31, 32, 33, 50, 63, 64, 65, 97, 130] {
            for height in [1, 32, 45, 64, 100] {
                check_cover(width, height, size, overlap);
            }
        }
    }
}

fn check_cover(width: usize, height: usize, size: usize, overlap: usize) {
    let crops = crops(width, height, size, overlap);
    let mut hits = vec![0; width * height];
    for sample in crops.iter() {
        let sample = sample.unwrap();
        assert_eq!((sample.height, sample.width, sample.images[0].len()), (size, size, size * size));
        for index in sample.counted.indices(sample.width) {
            let (y, x) = (sample.y + index / size, sample.x + index % size);
            assert!(y < height && x < width, "padding counts: {width}x{height}, {size}, {overlap}");
            hits[y * width + x] += 1;
        }
        for (index, &value) in sample.images[0].iter().enumerate() {
            let y = (sample.y + index / size).min(height - 1);
            let x = (sample.x + index % size).min(width - 1);
            let expected = (y * width + x + 1) as f32 / 65_535.0;
            assert!((value - expected).abs() < 1e-7);
        }
    }
    assert!(hits.iter().all(|&hits| hits == 1), "{width}x{height}, size {size}, overlap {overlap}");
}

#[test]
fn the_last_crop_is_shifted_back() {
    let crops = crops(100, 40, 32, 0);
    let places: Vec<_> = crops.iter().map(|sample| sample.unwrap()).map(|sample| (sample.y, sample.x)).collect();
    assert_eq!(places, [(0, 0), (0, 32), (0, 64), (0, 68), (8, 0), (8, 32), (8, 64), (8, 68)]);
    let last = crops.get(7).unwrap();
    assert_eq!((last.counted.top, last.counted.left, last.counted.bottom, last.counted.right), (24, 28, 32, 32));
    assert_eq!((crops.bands(), crops.dates(), last.bands), (1, Dates::One, 1));
}

#[test]
fn small_scenes_are_padded() {
    let crops = crops(20, 10, 32, 0);
    let sample = crops.get(0).unwrap();
    assert_eq!((crops.len(), sample.counted), (1, Window { top: 0, left: 0, bottom: 10, right: 20 }));
    assert_eq!(sample.counted.indices(32).count(), 200);
    assert_eq!(sample.label, vec![1; 32 * 32]);
}

/// One band, white up to a column.
fn partly_white(white: usize, filler: u8) -> Raster {
    let pixels = (0..64 * 32).map(|index| if index % 64 < white { filler } else { 90 });
    Raster { width: 64, height: 32, bands: 1, pixels: Pixels::U8(pixels.collect()) }
}

#[test]
fn blank_crops_are_left_out() {
    let options = CropOptions { size: 32, ..CropOptions::default() };
    for filler in [0, 255] {
        for (white, skipped) in [(0, 0), (16, 0), (17, 1), (48, 1)] {
            let set = scene_set(vec![scene("one", partly_white(white, filler), vec![0; 64 * 32])]);
            let crops = Crops::new(&set, options).unwrap();
            assert_eq!((crops.skipped_blank(), crops.len()), (skipped, 2 - skipped), "{white} columns of {filler}");
        }
    }
    let set = scene_set(vec![scene("one", partly_white(64, 255), vec![0; 64 * 32])]);
    let error = Crops::new(&set, options).unwrap_err().to_string();
    assert!(error.starts_with("nothing is left of one: all 2 crops of the split are blank; "), "{error}");
    let kept = Crops::new(&set, CropOptions { skip_blank: false, ..options }).unwrap();
    assert_eq!((kept.skipped_blank(), kept.len()), (0, 2));
}

#[test]
fn one_blank_date_is_enough() {
    let mut both = scene("one", partly_white(0, 0), vec![0; 64 * 32]);
    if let burn_rsmamba_datasets::SceneOrigin::Memory { images, .. } = &mut both.source {
        images.push(std::sync::Arc::new(partly_white(32, 255)));
    }
    let crops = Crops::new(&scene_set(vec![both]), CropOptions { size: 32, ..CropOptions::default() }).unwrap();
    assert_eq!((crops.dates(), crops.skipped_blank(), crops.get(0).unwrap().x), (Dates::Two, 1, 32));
}

#[test]
fn senseless_options_are_refused() {
    let set = scene_set(vec![scene("one", numbered(64, 64), vec![0; 64 * 64])]);
    let error = |size, overlap| {
        Crops::new(&set, CropOptions { size, overlap, ..CropOptions::default() }).unwrap_err().to_string()
    };
    assert_eq!(error(0, 0), "crop size is 0; give at least 32");
    assert_eq!(error(31, 0), "crop size 31 is too small; give at least 32");
    assert_eq!(error(200_000, 0), "crop size 200000 is too large; give at most 32768");
    assert_eq!(error(usize::MAX, usize::MAX), format!("crop size {} is too large; give at most 32768", usize::MAX));
    let three = Raster { width: 64, height: 32, bands: 3, pixels: Pixels::U8(vec![90; 3 * 64 * 32]) };
    let set = scene_set(vec![scene("three", three, vec![0; 64 * 32])]);
    let wide = Crops::new(&set, CropOptions { size: 32_768, ..CropOptions::default() }).unwrap_err().to_string();
    assert_eq!(wide, "crop size 32768 is too large; give at most 26754");
    assert_eq!(error(64, 64), "overlap 64 is not smaller than crop size 64; give at most 63");
}

#[test]
fn a_scene_without_label_is_refused() {
    let root = super::support::folder();
    super::support::fill(&root, &["1.png"], &[]);
    let images = vec![root.path().join("1.png")];
    let source = burn_rsmamba_datasets::SceneOrigin::Files {
        images: images.clone(),
        label: None,
        rule: burn_rsmamba_datasets::LabelRule::Auto,
        region: None,
    };
    let set = scene_set(vec![burn_rsmamba_datasets::Scene { name: "1".into(), source }]);
    let result = Crops::new(&set, CropOptions::default());
    assert!(matches!(result, Err(DatasetError::NoLabel { ref scene }) if *scene == images[0].display().to_string()));
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn an_index_beyond_the_end_panics_as_the_trait_says() {
    let _ = crops(32, 32, 32, 0).get(1);
}

#[test]
fn a_split_without_scenes_is_refused() {
    let error = Crops::new(&scene_set(Vec::new()), CropOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "the test split has no scenes (memory layout); ask for at least one");
}
