//! Any text as a label rule, and any values as a label: a rule that prints as it parses, a mask of classes and
//! ignored pixels, or an error.
//!
//! `cargo +nightly fuzz run labels -- -max_len=512 -timeout=10`

#![no_main]

use burn_rsmamba_datasets::{LabelRule, Mask, Raster, read_label, read_raster};
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use tiff::encoder::{TiffEncoder, colortype};

/// How rules begin, so that most inputs are one.
const BEGINNINGS: [&str; 9] =
    ["", "auto", "nonzero", "threshold:", "map:", "channel:", "classes:", "ignore:255:", "ignore:0:classes:"];

fuzz_target!(|input: (u8, &str, u8, u8, Vec<f32>)| {
    let (beginning, rest, kind, width, values) = input;
    let text = format!("{}{rest}", BEGINNINGS[usize::from(beginning) % BEGINNINGS.len()]);
    let Ok(rule) = text.parse::<LabelRule>() else { return };
    assert_eq!(rule.to_string().parse::<LabelRule>().as_ref(), Ok(&rule), "{text}");

    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let path = base.join(format!("burn-rsmamba-fuzz-labels-{}.tif", std::process::id()));
    if write(&path, kind, u32::from(width), &values).is_none() {
        return;
    }
    let Raster { width, height, .. } = read_raster(&path).expect("a sound file");
    match read_label(&path, &rule) {
        Ok(mask) => {
            assert_eq!((mask.width, mask.height, mask.data.len()), (width, height, width * height));
            let allowed = |value: u8| {
                usize::from(value) < rule.classes() || (rule.ignores() && value == Mask::IGNORED)
            };
            assert!(mask.data.iter().all(|&value| allowed(value)), "{text}: {:?}", mask.data);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

/// A TIFF of these values, as many rows as they fill; `None` where they fill none.
fn write(path: &Path, kind: u8, width: u32, values: &[f32]) -> Option<()> {
    let bands = [1, 3, 1, 3, 1][usize::from(kind % 5)];
    let height = (values.len() as u32).checked_div(width * bands).filter(|&height| height > 0)?;
    let values = &values[..(height * width * bands) as usize];
    let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
    let words: Vec<u16> = values.iter().map(|&value| value as u16).collect();
    let mut encoder = TiffEncoder::new(std::fs::File::create(path).unwrap()).unwrap();
    match kind % 5 {
        0 => encoder.write_image::<colortype::Gray8>(width, height, &bytes),
        1 => encoder.write_image::<colortype::RGB8>(width, height, &bytes),
        2 => encoder.write_image::<colortype::Gray16>(width, height, &words),
        3 => encoder.write_image::<colortype::RGB16>(width, height, &words),
        _ => encoder.write_image::<colortype::Gray32Float>(width, height, values),
    }
    .unwrap();
    Some(())
}
