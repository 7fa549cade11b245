//! Small files and folders to read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn_rsmamba_datasets::{
    DatasetError, LabelRule, Mask, Pixels, Raster, Scene, SceneOrigin, SceneSet, Split, read_label,
};
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Says that a test does nothing here, and why. Not by `eprintln!`, which the harness would hide.
pub(super) fn skipped(why: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "skipped: {why}").unwrap();
}

/// A plainly binary label.
pub(super) fn read_mask(path: &Path) -> Result<Mask, DatasetError> {
    read_label(path, &LabelRule::Auto)
}

/// A path below a folder, whose parents exist.
pub(super) fn at(root: &TempDir, path: &str) -> PathBuf {
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// An RGB pattern in which all pixels differ, so that a misplaced one shows.
pub(super) fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * 7 + y * 13) as u8]))
}

/// A label of some of the given values.
pub(super) fn label(width: u32, height: u32, values: &[u8]) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| Luma([values[(x + y) as usize % values.len()]]))
}

/// Images of 40x32 and labels under the given names.
pub(super) fn fill(root: &TempDir, images: &[&str], labels: &[&str]) {
    for path in images {
        pattern(40, 32).save(at(root, path)).unwrap();
    }
    for path in labels {
        label(40, 32, &[0, 255]).save(at(root, path)).unwrap();
    }
}

/// A segmentation scene in memory.
pub(super) fn scene(name: &str, raster: Raster, label: Vec<u8>) -> Scene {
    let label = Arc::new(Mask { width: raster.width, height: raster.height, data: label });
    Scene { name: name.into(), source: SceneOrigin::Memory { images: vec![Arc::new(raster)], label } }
}

pub(super) fn scene_set(scenes: Vec<Scene>) -> SceneSet {
    SceneSet { layout: "memory", split: Split::Test, scenes, warnings: Vec::new() }
}

/// One band of 16-bit values that are all different and never blank.
pub(super) fn numbered(width: usize, height: usize) -> Raster {
    let pixels = Pixels::U16((1..=(width * height) as u16).collect());
    Raster { width, height, bands: 1, pixels }
}

/// The message of an error, which is one line and says something of a path.
pub(super) fn message<T>(result: Result<T, DatasetError>, path: &Path) -> String {
    let message = result.err().expect("this is an error").to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    let path = path.display().to_string();
    assert!(message.contains(&path), "{message}");
    assert!(message.contains("; "), "no mend: {message}");
    message.replace(&path, "PATH")
}
