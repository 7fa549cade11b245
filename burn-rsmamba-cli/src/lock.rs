//! Folders that one process at a time writes.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::Failure;

/// Keeps other processes out of a folder as long as what is returned lives; nothing where the system cannot lock one.
///
/// # Errors
///
/// When another process has it; `doing` says what it does with it.
pub(crate) fn folder(path: &Path, doing: &str) -> Result<Option<File>, Failure> {
    // Not every system can open a folder, and not every disk can lock one.
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::Error(_)) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(Failure::run(format!(
            "another process is {doing} {}; wait until it ends, or name another --out",
            path.display()
        ))),
    }
}
