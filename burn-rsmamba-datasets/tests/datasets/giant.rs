use std::fs::File;
use std::io::BufWriter;

use burn_dataset::Dataset;
use burn_rsmamba_datasets::{
    CropOptions, Crops, GeoTiff, LabelRule, Scene, SceneOrigin, Statistics, Storage, statistics,
};

use super::support::{folder, message, scene_set};

/// A scene too large to be decoded whole: 4608 by 4096 pixels of one band.
fn large(root: &tempfile::TempDir, name: &str, value: impl Fn(usize, usize) -> u8) -> std::path::PathBuf {
    let path = root.path().join(name);
    let raster = GeoTiff { width: 4608, height: 4096, georeference: None, nodata: None };
    let rows = |top: usize, count: usize| -> Result<Vec<u8>, tiff::TiffError> {
        Ok((top..top + count)
            .flat_map(|row| (0..4608).map(move |column| (row, column)))
            .map(|(r, c)| value(r, c))
            .collect())
    };
    raster.write(BufWriter::new(File::create(&path).unwrap()), rows).unwrap();
    path
}

fn scene(images: Vec<std::path::PathBuf>, label: std::path::PathBuf) -> Scene {
    let source = SceneOrigin::Files { images, label: Some(label), rule: LabelRule::Auto, region: None };
    Scene { name: "large".into(), source }
}

#[test]
fn large_scenes_are_read_by_windows() {
    let root = folder();
    let value = |row: usize, column: usize| (row * 7 + column * 3) as u8 | 1;
    let image = large(&root, "image.tif", value);
    let label = large(&root, "label.tif", |row, column| if row > 4000 && column < 50 { 255 } else { 0 });
    let set = scene_set(vec![scene(vec![image], label)]);
    for memory in [1 << 20, 1 << 28] {
        let options = CropOptions { size: 512, ..CropOptions::default() };
        let crops = Crops::with_storage(&set, options, Storage { memory, folder: None }).unwrap();
        assert_eq!(crops.len(), 72);
        assert_eq!((0..72).filter(|&index| crops.is_marked(index)).collect::<Vec<_>>(), [63]);
        for index in [0, 40, 63, 71] {
            let sample = crops.get(index).unwrap();
            for (row, column) in [(0, 0), (100, 511), (511, 3)] {
                let expected = f32::from(value(sample.y + row, sample.x + column)) / 255.0;
                assert_eq!(sample.images[0][row * 512 + column].to_bits(), expected.to_bits());
            }
            let marked = sample.label.iter().map(|&value| usize::from(value)).sum::<usize>();
            assert_eq!(marked, if index == 63 { 95 * 50 } else { 0 });
        }
    }
}

#[test]
fn a_label_that_is_binary_only_in_parts_is_refused() {
    let root = folder();
    let image = large(&root, "image.tif", |_, _| 9);
    // 0 and 1 in the upper part, 0 and 255 in the lower
    let label = large(&root, "label.tif", |row, column| match (row < 2048, column % 2) {
        (_, 0) => 0,
        (true, _) => 1,
        (false, _) => 255,
    });
    let set = scene_set(vec![scene(vec![image], label.clone())]);
    let message = message(Crops::new(&set, CropOptions::default()), &label);
    assert!(message.contains("0, 1, 255"), "{message}");
}

#[test]
fn a_survey_by_strips_measures_what_the_whole_scene_holds() {
    let root = folder();
    let first = large(&root, "first.tif", |row, column| (row * 7 + column * 3) as u8);
    let second = large(&root, "second.tif", |row, column| (row + column) as u8);
    let label = large(&root, "label.tif", |row, column| if row > 4000 && column < 50 { 255 } else { 0 });
    let scene = scene(vec![first, second], label);
    let found = scene.survey().unwrap();
    assert_eq!((found.width, found.height, found.bands), (4608, 4096, 1));
    assert_eq!((found.target(), found.labelled()), (95 * 50, 4608 * 4096));
    assert_eq!(found.samples, ["8-bit"; 2]);
    assert_eq!(Statistics::of_surveys([&found]), statistics(&[scene.load().unwrap()]));
}
