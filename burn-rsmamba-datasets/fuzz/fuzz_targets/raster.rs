//! Any bytes as an image file: windows, the whole, and labels by every rule end in pixels or in an error.
//!
//! From `burn-rsmamba-datasets`: `cargo +nightly fuzz run raster fuzz/corpus/raster tests/corpus -- -max_len=65536 -rss_limit_mb=4096 -timeout=10`

#![no_main]

use burn_rsmamba_datasets::{LabelRule, RasterFile, read_label, read_raster};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;

/// Beyond this many values only windows are read: the whole would test the allocator.
const MOST_VALUES: usize = 1 << 22;

fuzz_target!(|bytes: &[u8]| {
    // in memory, where there is such a place
    let folder = if PathBuf::from("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    let path = folder.join(format!("burn-rsmamba-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let Ok(mut file) = RasterFile::open(&path) else { return };
    let (height, width) = (file.height(), file.width());
    let _ = file.tags().cropped(3, 5);
    let _ = file.georeference().map(|geo| (geo.epsg(), geo.corner_transform(), geo.difference(&geo.shifted(3, 5), (7, 9))));
    for (top, left) in [(0, 0), (height / 2, width / 2), (height - 1, width - 1)] {
        let (rows, columns) = ((height - top).min(40), (width - left).min(40));
        if rows * columns * file.bands() <= MOST_VALUES {
            if let Ok((window, nodata)) = file.window_and_nodata(top, left, rows, columns) {
                assert_eq!(nodata.len(), rows * columns);
                assert_eq!((window.height, window.width, window.bands), (rows, columns, file.bands()));
                assert_eq!(window.to_chw_f32().len(), rows * columns * window.bands);
            }
        }
    }
    if height.saturating_mul(width).saturating_mul(file.bands()) > MOST_VALUES {
        return;
    }
    let whole = read_raster(&path);
    for rule in [LabelRule::Auto, LabelRule::NonZero, LabelRule::Map(vec![1.0, 255.0]), LabelRule::Channel(1)] {
        if let Ok(mask) = read_label(&path, &rule) {
            let whole = whole.as_ref().expect("a label is a raster");
            assert_eq!((mask.height, mask.width), (whole.height, whole.width));
            assert_eq!(mask.data.len(), mask.height * mask.width);
        }
    }
});
