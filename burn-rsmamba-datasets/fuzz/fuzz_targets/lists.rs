//! Any bytes as a list file, as one of paths and as one of names: scenes or an error of one line.
//!
//! `cargo +nightly fuzz run lists -- -max_len=4096 -timeout=10`

#![no_main]

use burn_rsmamba_datasets::{DatasetFolder, Dates, Split};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// A folder with a few files that a list may name, in memory where there is such a place.
fn root() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let root = base.join(format!("burn-rsmamba-fuzz-lists-{}", std::process::id()));
    for file in ["paths/a", "paths/b", "names/A/a.png", "names/B/a.tif", "names/label/a.png"] {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }
    root
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    let root = ROOT.get_or_init(root);
    let folder = |name: &str| root.join(name);
    // an opener of few layouts: most of the time goes into looking for files
    let (folder, opener) = match kind % 3 {
        0 => (folder("paths"), DatasetFolder::lists(folder("paths"), Dates::One)),
        1 => (folder("paths"), DatasetFolder::lists(folder("paths"), Dates::Two)),
        _ => (folder("names"), DatasetFolder::levir_cd(folder("names"))),
    };
    std::fs::write(folder.join("train.txt"), bytes).unwrap();
    match opener.allow_unpaired(kind >= 128).open(Split::Train) {
        Ok(set) => {
            assert!(!set.scenes.is_empty());
            let mut names: Vec<&str> = set.scenes.iter().map(|scene| scene.name.as_str()).collect();
            assert!(names.is_sorted());
            names.dedup();
            assert_eq!(names.len(), set.scenes.len());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
