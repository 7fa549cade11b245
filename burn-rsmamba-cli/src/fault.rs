//! Moments at which a test ends the process, as a power cut would: only with the feature `fault-injection`.

#[cfg(feature = "fault-injection")]
pub(crate) use injected::{Checkpoint, point};

#[cfg(feature = "fault-injection")]
mod injected {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    static PASSED: AtomicUsize = AtomicUsize::new(0);
    static IN_CHECKPOINT: AtomicBool = AtomicBool::new(false);

    /// A moment in the writing of a file. The process ends at the one that `BURN_RSMAMBA_DIE_AT` counts to; as `checkpoint:7` it
    /// counts only those while a checkpoint is written.
    pub(crate) fn point() {
        let Ok(chosen) = std::env::var("BURN_RSMAMBA_DIE_AT") else { return };
        let (chosen, counts) = match chosen.strip_prefix("checkpoint:") {
            Some(chosen) => (chosen, IN_CHECKPOINT.load(Ordering::SeqCst)),
            None => (&chosen[..], true),
        };
        if counts && chosen.parse() == Ok(PASSED.fetch_add(1, Ordering::SeqCst) + 1) {
            std::process::abort();
        }
    }

    /// A checkpoint that is being written, until this is dropped.
    pub(crate) struct Checkpoint;

    impl Checkpoint {
        pub(crate) fn begin() -> Self {
            IN_CHECKPOINT.store(true, Ordering::SeqCst);
            Self
        }
    }

    impl Drop for Checkpoint {
        fn drop(&mut self) {
            IN_CHECKPOINT.store(false, Ordering::SeqCst);
        }
    }
}

/// Nothing, in every build but the tests'.
#[cfg(not(feature = "fault-injection"))]
pub(crate) fn point() {}

/// Nothing, in every build but the tests'.
#[cfg(not(feature = "fault-injection"))]
pub(crate) struct Checkpoint;

#[cfg(not(feature = "fault-injection"))]
impl Checkpoint {
    pub(crate) fn begin() -> Self {
        Self
    }
}
