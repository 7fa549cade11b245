//! A GPU without enough memory says so in a panic of many lines, each a kernel that could not run; the user gets one line.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Failure, Outcome};

/// Runs `work`; a panic for want of a GPU's memory becomes an error of the run, any other goes on.
pub(crate) fn as_error(work: impl FnOnce() -> Outcome) -> Outcome {
    let found = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&found);
    let before = Arc::new(std::panic::take_hook());
    let otherwise = Arc::clone(&before);
    std::panic::set_hook(Box::new(move |info| match info.payload_as_str().and_then(wanted) {
        Some(bytes) => *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes),
        None => otherwise(info),
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(Box::new(move |info| before(info)));
    result.unwrap_or_else(|panic| {
        let Some(bytes) = found.lock().unwrap_or_else(PoisonError::into_inner).take() else { resume_unwind(panic) };
        Err(Failure::run(format!(
            "the device has too little memory: it cannot give {:.0} MB more, or not in one piece; smaller windows (`--window`), crops \
             (`--crop`), images (`--size`) or batches (`--batch`) take less, and `--device cpu` has the memory of the machine",
            bytes as f64 / 1e6
        )))
    })
}

/// The bytes that a device could not give, where a panic is about that: the words are `CubeCL`'s (`IoError` of cubecl-runtime 0.11.3).
fn wanted(panic: &str) -> Option<u64> {
    let after = ["can't allocate buffer of size: ", "out of device memory allocating "]
        .into_iter()
        .find_map(|words| panic.split_once(words))?
        .1;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_of_memory_becomes_an_error() {
        let panics = |words: &'static str| move || -> Outcome { panic!("{words}") };
        for words in [
            "read failed\nCaused by:\n  can't allocate buffer of size: 226492416\nNo backtrace",
            "out of device memory allocating 226492416 bytes\n",
        ] {
            let error = as_error(panics(words)).expect_err("no memory").to_string();
            assert!(error.starts_with("the device has too little memory: it cannot give 226 MB more"), "{error}");
        }
        assert!(catch_unwind(|| as_error(panics("a bug"))).is_err());
        as_error(|| Ok(())).expect("nothing happened");
        assert_eq!(
            as_error(|| Err(Failure::usage("no such file"))).expect_err("passed on").to_string(),
            "no such file"
        );
    }
}
