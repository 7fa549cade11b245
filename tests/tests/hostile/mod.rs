mod files;
mod pickles;
mod tables;

use burn_rsmamba::weights;
use burn_rsmamba_tests::{
    allocator::{Counting, peak},
    compare::Failures,
    fixtures::golden_path,
    flex,
};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that a file may cost beyond twenty times its own length: pickles of 2 MiB and headers of 4 MiB are read.
const MOST_MEMORY: usize = 256 << 20;
/// Generous: the slowest takes well under a second.
const MOST_TIME: Duration = Duration::from_secs(20);

/// A file and a part of its error; an empty part where it may as well be read.
type Case = (String, Vec<u8>, &'static str);

fn case(name: &str, bytes: Vec<u8>, error: &'static str) -> Case {
    (name.to_owned(), bytes, error)
}

/// Files that are right but for a flipped, missing or additional byte.
fn damaged() -> Vec<Case> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let pth = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rsm_ss_net.pth");
    let pth = fs::read(pth).expect("the fixture");
    let own = {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("own.safetensors");
        let (model, meta) = weights::import(&golden_path("rsm_ss_micro.pth"), &flex()).expect("official");
        weights::save(&model, &meta, &path).expect("written");
        fs::read(path).expect("read")
    };
    let mut cases = Vec::new();
    for (name, whole) in [("bit.pth", &pth), ("bit.safetensors", &own)] {
        for index in 0..100 {
            let mut bytes = whole.clone();
            // half of them in the header or the pickle
            let place = random.random_range(0..if index % 2 == 0 { 12_000 } else { bytes.len() });
            bytes[place] ^= 1 << random.random_range(0..8);
            cases.push(case(&format!("{index}-{name}"), bytes, ""));
        }
        for _ in 0..50 {
            let length = random.random_range(0..whole.len());
            cases.push(case(&format!("cut-{length}-{name}"), whole[..length].to_vec(), "cut-"));
        }
    }
    // a value of a tensor, which only the checksum can tell
    let mut value = fs::read(golden_path("rsm_ss_micro.pth")).expect("the fixture");
    let place = value.len() / 2;
    value[place] ^= 1;
    cases.push(case("value.pth", value, "checksum"));
    cases
}

#[test]
fn hostile_files_end_in_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = flex();
    // what is set up once is no file's doing
    weights::import(&golden_path("rsm_ss_micro.pth"), &device).expect("official");
    let mut failures = Failures::default();
    let (mut slowest, mut dearest) = (Default::default(), Default::default());
    for (name, bytes, expected) in [pickles::cases(folder.path()), tables::cases(), damaged()].concat() {
        let path = folder.path().join(&name);
        fs::write(&path, &bytes).expect("written");
        let start = Instant::now();
        let mut results = Vec::new();
        let memory = peak(|| {
            results.push(weights::import(&path, &device).err());
            // of a .pth both read the same
            if name.ends_with("safetensors") {
                results.push(weights::load(&path, &device).err());
            }
        });
        let time = start.elapsed();
        slowest = (time, name.clone()).max(slowest);
        dearest = (memory, name.clone()).max(dearest);
        if memory > MOST_MEMORY + 20 * bytes.len() || time > MOST_TIME {
            failures.note(format!("{name}: {} bytes cost {memory} bytes and {time:?}", bytes.len()));
        }
        if let Some(text) = results[0].as_ref().map(ToString::to_string).filter(|text| !text.contains(expected)) {
            failures.note(format!("{name}: no `{expected}` in: {text}"));
        }
        for error in &results {
            match error.as_ref().map(ToString::to_string) {
                None if !expected.is_empty() => failures.note(format!("{name}: was read")),
                Some(text) if text.contains(char::is_control) || text.len() > 2000 || !text.contains(&name) => {
                    failures.note(format!("{name}: not one short line that names it: {text:?}"));
                }
                _ => {}
            }
        }
        fs::remove_file(&path).expect("removed");
    }
    println!("slowest: {slowest:?}, dearest: {dearest:?}");
    assert!(!folder.path().join("ran").exists(), "a pickle ran a program");
    failures.finish();
}
