//! Small files of every kind, as they are and damaged: pixels or an error, never a panic. `fuzz/` goes on from them.

use std::path::{Path, PathBuf};

use burn_rsmamba_datasets::{LabelRule, RasterFile, read_label, read_raster};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::support::{at, folder};

/// Damaged copies of each file.
const COPIES: usize = 60;

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 50, "{} files", files.len());
    files
}

/// Everything that is done with a file; whether it has pixels.
fn read_all(path: &Path) -> bool {
    let Ok(mut file) = RasterFile::open(path) else { return false };
    let (height, width) = (file.height(), file.width());
    let (rows, columns) = (height.min(8), width.min(8));
    let _ = file.window(height - rows, width - columns, rows, columns);
    if height.saturating_mul(width).saturating_mul(file.bands()) > 1 << 22 {
        return false;
    }
    for rule in [LabelRule::Auto, LabelRule::Threshold(50.0), LabelRule::Channel(0)] {
        let _ = read_label(path, &rule);
    }
    read_raster(path).is_ok()
}

#[test]
fn sound_files_of_every_kind_are_read() {
    for path in corpus() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // what the fuzzer made of them has to end, in pixels or in an error
        assert!(read_all(&path) || name.starts_with("damaged"), "{name}");
    }
}

#[test]
fn damaged_files_give_an_error_or_pixels() {
    let root = folder();
    let path = at(&root, "damaged");
    let seed = 20_261_124;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for file in corpus() {
        let sound = std::fs::read(&file).unwrap();
        for _ in 0..COPIES {
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..6) {
                let index = rng.random_range(0..bytes.len());
                bytes[index] = rng.random_range(0..=255_u32) as u8;
            }
            if rng.random_range(0..4) == 0 {
                bytes.truncate(rng.random_range(0..bytes.len()));
            }
            std::fs::write(&path, &bytes).unwrap();
            // A panic names the test; the bytes are lost, the seed is not.
            let ran = std::panic::catch_unwind(|| read_all(&path));
            assert!(ran.is_ok(), "{} damaged with seed {seed}: {bytes:?}", file.display());
        }
    }
}
