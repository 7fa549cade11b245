//! Moments at which a test ends the process, as a power cut would: only with the feature `fault-injection`.

/// A moment in the writing of a file. The process ends at the one that `BURN_RSMAMBA_DIE_AT` counts to.
#[cfg(feature = "fault-injection")]
pub(crate) fn point() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static PASSED: AtomicUsize = AtomicUsize::new(0);
    let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    let chosen = std::env::var("BURN_RSMAMBA_DIE_AT").ok().and_then(|count| count.parse().ok());
    if chosen == Some(passed) {
        std::process::abort();
    }
}

/// Nothing, in every build but the tests'.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn point() {}
