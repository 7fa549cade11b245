//! Locks among threads that read.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a thread panicked while it held the lock: what is behind it is never left half changed here.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
