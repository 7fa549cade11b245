//! Any bytes as a weights file: a model or an error, in little memory.
//!
//! From `burn-rsmamba`: `cargo +nightly fuzz run weights fuzz/corpus/weights ../tests/fixtures -- -max_len=65536 -rss_limit_mb=2048 -timeout=10`

#![no_main]

use burn::tensor::Device;
use burn_rsmamba::weights;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    // in memory, where there is such a place
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    let path = folder.join(format!("burn-rsmamba-fuzz-weights-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let device = Device::flex();
    for error in [weights::import(&path, &device).err(), weights::load(&path, &device).err()].into_iter().flatten() {
        assert!(!error.to_string().contains(char::is_control));
    }
});
