//! Scenes by windows, and pixels without data.

use std::fs::File;

use burn_dataset::Dataset;
use burn_rsmamba_datasets::{
    CropOptions, Crops, GeoTiff, LabelRule, Mask, Pixels, Raster, Scene, SceneOrigin, Storage, Window, statistics,
};

use super::support::{at, folder, label, message, numbered, pattern, scene, scene_set};

fn files(root: &tempfile::TempDir, region: Option<Window>, values: &[u8]) -> Scene {
    let (first, mask) = (at(root, "image.tif"), at(root, "label.tif"));
    super::rasters::save_tiff(&first, &pattern(60, 50).into());
    super::rasters::save_tiff(&mask, &label(60, 50, values).into());
    let source = SceneOrigin::Files { images: vec![first], label: Some(mask), rule: LabelRule::Auto, region };
    Scene { name: "s".into(), source }
}

#[test]
fn windows_of_a_part_are_those_of_the_whole() {
    let root = folder();
    let whole = files(&root, None, &[0, 255]).load().unwrap();
    let part = files(&root, Some(Window { top: 5, left: 10, bottom: 45, right: 50 }), &[0, 255]);
    let mut reader = part.reader().unwrap();
    assert_eq!((reader.height(), reader.width(), reader.bands()), (40, 40, 3));
    let loaded = part.load().unwrap();
    for (top, left, height, width) in [(0, 0, 40, 40), (0, 0, 1, 1), (39, 39, 1, 1), (7, 3, 20, 30)] {
        let window = reader.window(top, left, height, width).unwrap();
        let expected = whole.images[0].crop_chw_f32(5 + top, 10 + left, height, width);
        assert_eq!(window.images[0].to_chw_f32(), expected);
        assert_eq!(loaded.images[0].crop_chw_f32(top, left, height, width), expected);
        let mask = window.label.unwrap();
        let at =
            |row: usize, column: usize| whole.label.as_ref().unwrap().data[(5 + top + row) * 60 + 10 + left + column];
        let expected: Vec<u8> = (0..height * width).map(|pixel| at(pixel / width, pixel % width)).collect();
        assert_eq!(mask.data, expected);
    }
    let options = CropOptions { size: 40, skip_blank: false, ..CropOptions::default() };
    let crops = Crops::new(&scene_set(vec![part]), options).unwrap();
    let sample = crops.get(0).unwrap();
    assert_eq!((crops.len(), &sample.images[0]), (1, &loaded.images[0].to_chw_f32()));
    assert_eq!(sample.label, loaded.label.unwrap().data);
}

#[test]
fn scenes_in_memory_have_windows_too() {
    let scene = scene("m", numbered(6, 5), (0..30).map(|index| index % 2).collect());
    let window = scene.reader().unwrap().window(1, 2, 2, 3).unwrap();
    assert_eq!(window.images[0].pixels, Pixels::U16(vec![9, 10, 11, 15, 16, 17]));
    assert_eq!(window.label.unwrap().data, [0, 1, 0, 0, 1, 0]);
}

#[test]
fn crops_give_readers_that_say_which_pixels_have_no_data() {
    let root = folder();
    let (first, second, mask) = (at(&root, "first.tif"), at(&root, "second.tif"), at(&root, "label.png"));
    let side = 64;
    let value = |row: usize, column: usize| if row == 3 { f32::NAN } else { (row * side + column) as f32 };
    let rows = |top: usize, count: usize| {
        Ok::<_, tiff::TiffError>((top * side..(top + count) * side).map(|i| value(i / side, i % side)).collect())
    };
    // the second date has no value for no data, and is not a number in row 3 all the same
    for (path, nodata) in [(&first, Some("70".to_string())), (&second, None)] {
        let geotiff = GeoTiff { width: side, height: side, georeference: None, nodata };
        geotiff.write(File::create(path).unwrap(), rows).unwrap();
    }
    label(64, 64, &[0, 0, 255]).save(&mask).unwrap();
    let rule = LabelRule::Auto;
    let source = SceneOrigin::Files { images: vec![first, second], label: Some(mask), rule, region: None };
    let set = scene_set(vec![Scene { name: "pair".into(), source }]);
    let folder = Some(root.path().join("decoded"));
    for storage in [Storage::default(), Storage { memory: 0, folder: None }, Storage { memory: 0, folder }] {
        let options = CropOptions { size: 32, ..CropOptions::default() };
        let crops = Crops::with_storage(&set, options, storage).unwrap();
        let whole = crops.scene(0).unwrap();
        let mut reader = crops.reader(0).unwrap();
        assert_eq!((reader.dates(), reader.height(), reader.width()), (2, side, side));
        let area = (1, 4, 20, 30);
        let (top, left, height, width) = area;
        for date in 0..2 {
            let (image, blank) = reader.image(date, top, left, height, width).unwrap();
            assert_eq!(image.to_chw_f32(), whole.images[date].crop_chw_f32(top, left, height, width));
            for (pixel, blank) in blank.into_iter().enumerate() {
                let (row, column) = (top + pixel / width, left + pixel % width);
                let hole = date == 0 && (row, column) == (70 / side, 70 % side);
                assert_eq!(blank, hole || row == 3, "date {date}: {row}, {column}");
            }
        }
        let window = reader.window(top, left, height, width).unwrap();
        let label = window.label.unwrap();
        let mut alone = reader.label(top, left, height, width).unwrap().unwrap();
        for (pixel, value) in alone.data.iter_mut().enumerate() {
            let (row, column) = (top + pixel / width, left + pixel % width);
            if (row, column) == (70 / side, 70 % side) || row == 3 {
                *value = Mask::IGNORED;
            }
        }
        assert_eq!(alone, *label, "what has no data at a date counts nowhere");
        assert!(crops.has_ignored());
        assert_eq!(window.images[1].to_chw_f32(), whole.images[1].crop_chw_f32(top, left, height, width));
    }
    let options = CropOptions { size: 32, downsample: 2, ..CropOptions::default() };
    let smaller = Crops::new(&set, options).unwrap();
    // pixels made of one without data
    let label = smaller.scene(0).unwrap().label.unwrap();
    let ignored: Vec<usize> = (0..label.data.len()).filter(|&pixel| label.data[pixel] == Mask::IGNORED).collect();
    assert_eq!(ignored, [vec![3], (32..64).collect()].concat());
    let text = message(smaller.reader(0), &root.path().join("first.tif"));
    assert!(text.starts_with("PATH is downsampled by 2") && text.ends_with("use a ratio of 1"), "{text}");
    let memory = scene("m", numbered(64, 64), vec![1; 64 * 64]);
    let (image, blank) = memory.reader().unwrap().image(0, 0, 0, 1, 2).unwrap();
    assert_eq!((image.pixels, blank), (Pixels::U16(vec![1, 2]), vec![false; 2]));
}

#[test]
fn a_part_beyond_the_files_is_refused() {
    let root = folder();
    let scene = files(&root, Some(Window { top: 0, left: 0, bottom: 51, right: 60 }), &[0, 1]);
    let text = message(scene.load().map(|_| ()), &root.path().join("image.tif"));
    assert_eq!(text, "rows 0..51 and columns 0..60 are not a part of PATH, which is 60x50; change the region");
}

#[test]
fn auto_judges_the_whole_label_before_a_window() {
    let root = folder();
    // one window of 1 and 2 alone would pass for a label of one value
    let scene = files(&root, None, &[1, 2]);
    let text = message(scene.reader().unwrap().window(0, 0, 1, 1).map(|_| ()), &root.path().join("label.tif"));
    assert!(text.contains("is not a binary label: it holds the values 1, 2;"), "{text}");
    let scene = files(&root, None, &[0, 1]);
    assert_eq!(scene.reader().unwrap().window(0, 1, 1, 2).unwrap().label.unwrap().data, [1, 0]);
}

#[test]
fn pixels_without_data_are_found_counted_and_skipped() {
    let root = folder();
    let (image, mask) = (at(&root, "image.tif"), at(&root, "label.png"));
    let values: Vec<u8> = (0..64 * 128).map(|pixel| if pixel % 128 < 64 { 7 } else { 90 }).collect();
    let rows = |top: usize, count: usize| Ok::<_, tiff::TiffError>(values[top * 128..][..count * 128].to_vec());
    let geotiff = GeoTiff { width: 128, height: 64, georeference: None, nodata: Some("7".into()) };
    geotiff.write(File::create(&image).unwrap(), rows).unwrap();
    label(128, 64, &[0, 255]).save(&mask).unwrap();
    let source = SceneOrigin::Files { images: vec![image], label: Some(mask), rule: LabelRule::Auto, region: None };
    let set = scene_set(vec![Scene { name: "half".into(), source }]);

    let loaded = set.scenes[0].load().unwrap();
    assert_eq!(loaded.images[0].pixels, Pixels::U8(values.iter().map(|&v| if v == 7 { 0 } else { v }).collect()));
    let measured = statistics(std::slice::from_ref(&loaded));
    assert_eq!((measured.blank, measured.pixels), (64 * 64, 64 * 64));
    assert!((measured.mean[0] - 90.0 / 255.0).abs() < 1e-6);
    let crops = |skip_blank| Crops::new(&set, CropOptions { size: 64, skip_blank, ..CropOptions::default() }).unwrap();
    assert_eq!(crops(true).skipped_blank(), 1);
    assert_eq!(crops(false).skipped_blank(), 0);
    let storage = Storage { folder: Some(root.path().join("decoded")), ..Storage::default() };
    for _ in 0..2 {
        let options = CropOptions { size: 64, ..CropOptions::default() };
        let crops = Crops::with_storage(&set, options, storage.clone()).unwrap();
        assert_eq!(crops.skipped_blank(), 1, "decoded pixels keep what stands for no data");
    }
}

#[test]
fn not_a_number_is_no_data() {
    let root = folder();
    let path = at(&root, "image.tif");
    let values = [f32::NAN, 0.5, -9999.0, 1.0];
    let rows = |_: usize, _: usize| Ok::<_, tiff::TiffError>(values.to_vec());
    let geotiff = GeoTiff { width: 4, height: 1, georeference: None, nodata: Some("-9999".into()) };
    geotiff.write(File::create(&path).unwrap(), rows).unwrap();
    let source = SceneOrigin::Files { images: vec![path], label: None, rule: LabelRule::Auto, region: None };
    let Raster { pixels, .. } = (*Scene { name: "n".into(), source }.load().unwrap().images[0]).clone();
    assert_eq!(pixels, Pixels::F32(vec![0.0, 0.5, 0.0, 1.0]));
}

#[test]
fn transparent_pixels_have_no_data_wherever_they_are_kept() {
    let root = folder();
    let is_clear = |x: u32, y: u32| x < 9 && y.is_multiple_of(3);
    let image = image::RgbaImage::from_fn(64, 48, |x, y| {
        image::Rgba([x as u8 + 1, y as u8 + 1, 7, if is_clear(x, y) { 0 } else { 1 + (x % 255) as u8 }])
    });
    let (png, tif, mask) = (at(&root, "a.png"), at(&root, "b.tif"), at(&root, "label.png"));
    image.save(&png).unwrap();
    super::rasters::save_tiff(&tif, &image.into());
    label(64, 48, &[0, 0, 255]).save(&mask).unwrap();
    let rule = LabelRule::Auto;
    let source = SceneOrigin::Files { images: vec![png, tif], label: Some(mask), rule, region: None };
    let set = scene_set(vec![Scene { name: "pair".into(), source }]);
    let folder = Some(root.path().join("decoded"));
    for storage in [Storage::default(), Storage { memory: 0, folder: None }, Storage { memory: 0, folder }] {
        let options = CropOptions { size: 32, skip_blank: false, ..CropOptions::default() };
        let crops = Crops::with_storage(&set, options, storage).unwrap();
        let mut reader = crops.reader(0).unwrap();
        for date in 0..2 {
            let (part, nodata) = reader.image(date, 5, 3, 40, 50).unwrap();
            let Pixels::U8(values) = part.pixels else { panic!("bytes") };
            for (pixel, nodata) in nodata.into_iter().enumerate() {
                let (x, y) = (3 + pixel as u32 % 50, 5 + pixel as u32 / 50);
                let expected = if is_clear(x, y) { [0; 3] } else { [x as u8 + 1, y as u8 + 1, 7] };
                assert_eq!((nodata, &values[3 * pixel..][..3]), (is_clear(x, y), &expected[..]), "{date}: {x}, {y}");
            }
        }
        let sample = crops.get(0).unwrap();
        assert_eq!((sample.images[0][0].to_bits(), &sample.images[0]), (0, &sample.images[1]));
    }
}
