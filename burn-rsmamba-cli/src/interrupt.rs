//! Ctrl-C: the first asks training or mapping to stop after its step or window, the second ends the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Exit code of a process that ended on the second Ctrl-C, as shells report SIGINT.
const KILLED: i32 = 130;

/// Catches Ctrl-C (and SIGTERM, where there is one) from now on.
///
/// # Errors
///
/// When the system refuses the handler.
pub(crate) fn install() -> anyhow::Result<()> {
    if INSTALLED.set(()).is_err() {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(KILLED);
        }
    })
    .context("cannot watch for Ctrl-C")
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
