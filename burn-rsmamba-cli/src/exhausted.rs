//! A GPU without enough memory says so in a panic of many lines, each a kernel that could not run; the user gets one line.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

/// What `CubeCL` says of a buffer that it could not have (`IoError` of cubecl-runtime 0.11.3), before the number of its bytes.
const REFUSED: [&str; 2] = ["can't allocate buffer of size: ", "out of device memory allocating "];
/// What wgpu says of the same, without a number.
const WGPU: &str = "wgpu error: Out of Memory";

thread_local! {
    /// Whether [`caught`] runs on this thread, which then tells in its own words what such a panic is about.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic for want of a GPU's memory becomes an error, any other goes on.
///
/// # Errors
///
/// When a panic of `work` is about memory.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> anyhow::Result<T> {
    quieten();
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.or_else(|panic| match text(&*panic).and_then(shortage) {
        Some(shortage) => Err(anyhow::anyhow!(
            "the device has too little memory: it cannot give {shortage}; smaller windows (`--window`), crops (`--crop`), images \
             (`--size`) or batches (`--batch`) take less, and `--device cpu` has the memory of the machine"
        )),
        None => resume_unwind(panic),
    })
}

/// Panics about memory are told by [`caught`]; all others, those of other threads too, as before.
fn quieten() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !(CATCHING.get() && info.payload_as_str().and_then(shortage).is_some()) {
                before(info);
            }
        }));
    });
}

fn text(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}

/// What a device could not give, where a panic is about that.
fn shortage(panic: &str) -> Option<String> {
    let refused = REFUSED.into_iter().find_map(|words| Some(panic.split_once(words)?.1));
    let bytes = refused.and_then(|after| {
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        after[..digits].parse::<u64>().ok()
    });
    match bytes {
        Some(bytes) => Some(format!("{:.0} MB more, or not in one piece", bytes as f64 / 1e6)),
        None => panic.contains(WGPU).then(|| "a buffer that was asked for".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_want_of_memory_becomes_an_error() {
        let message = |words: &'static str| caught(|| -> () { panic!("{words}") }).expect_err("no memory").to_string();
        for words in [
            "read failed\nCaused by:\n  can't allocate buffer of size: 226492416\nNo backtrace",
            "out of device memory allocating 226492416 bytes\n",
        ] {
            let message = message(words);
            assert!(message.starts_with("the device has too little memory: it cannot give 226 MB more"), "{message}");
        }
        assert!(message("wgpu error: Out of Memory\n\nCaused by: ..").contains("cannot give a buffer"));
        let bug = || -> () { panic!("a bug") };
        assert!(catch_unwind(|| caught(bug)).is_err());
        // One after the other: the first says nothing of the second.
        let shortage = || -> () { panic!("out of device memory allocating 1 bytes") };
        assert!(catch_unwind(|| caught(|| caught(shortage).unwrap_or_else(|_| bug()))).is_err());
        assert_eq!(caught(|| 1).expect("nothing happened"), 1);
    }
}
