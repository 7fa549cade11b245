//! Work done ahead by threads, handed out in order.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::sync::locked;

/// No more threads than this, whatever was asked for.
const MOST_WORKERS: usize = 256;

/// The results of numbered jobs, in the order of their numbers whatever thread made them.
///
/// At most `ahead` results are made before they are asked for. A job that panics panics where its result is taken. Dropped
/// early, it waits for the jobs under way. Where the system refuses threads, those that are there do the work, or else the one
/// that takes the results.
#[derive(Debug)]
pub struct Ordered<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
    end: usize,
}

/// What a thread does.
type Work = Box<dyn FnOnce() + Send>;

struct Shared<T> {
    state: Mutex<State<T>>,
    /// A result is there.
    made: Condvar,
    /// A result was taken, or nothing more is wanted.
    taken: Condvar,
    job: Box<dyn Fn(usize) -> T + Send + Sync>,
    ahead: usize,
}

struct State<T> {
    /// The first job that no thread has taken on.
    free: usize,
    /// The first job whose result was not taken; `usize::MAX` ends the threads.
    next: usize,
    results: BTreeMap<usize, thread::Result<T>>,
}

impl<T: Send + 'static> Ordered<T> {
    pub(super) fn new(
        jobs: Range<usize>,
        workers: usize,
        ahead: usize,
        job: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::on_threads(jobs, workers, ahead, job, |work| thread::Builder::new().spawn(work))
    }

    fn on_threads(
        jobs: Range<usize>,
        workers: usize,
        ahead: usize,
        job: impl Fn(usize) -> T + Send + Sync + 'static,
        spawn: impl Fn(Work) -> io::Result<JoinHandle<()>>,
    ) -> Self {
        let (end, ahead) = (jobs.end, ahead.max(1));
        let state = State { free: jobs.start, next: jobs.start, results: BTreeMap::new() };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            made: Condvar::new(),
            taken: Condvar::new(),
            job: Box::new(job),
            ahead,
        });
        let worker = |_| {
            let shared = shared.clone();
            spawn(Box::new(move || shared.work(end))).ok()
        };
        // No more than `ahead` jobs are ever under way.
        let workers = workers.min(jobs.len()).min(ahead).min(MOST_WORKERS);
        let workers = (0..workers).map_while(worker).collect();
        Self { shared, workers, next: jobs.start, end }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        locked(&self.state)
    }

    /// Takes on one job after the other, as far ahead as is allowed.
    fn work(&self, end: usize) {
        let mut state = self.lock();
        loop {
            let full = |state: &mut State<T>| state.next != usize::MAX && state.free - state.next >= self.ahead;
            state = self.taken.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
            if state.next == usize::MAX || state.free >= end {
                return;
            }
            let job = state.free;
            state.free += 1;
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(|| (self.job)(job)));
            state = self.lock();
            state.results.insert(job, result);
            self.made.notify_all();
        }
    }
}

impl<T> Iterator for Ordered<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        let job = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            return Some((self.shared.job)(job));
        }
        let missing = |state: &mut State<T>| !state.results.contains_key(&job);
        let state = self.shared.lock();
        let mut state = self.shared.made.wait_while(state, missing).unwrap_or_else(PoisonError::into_inner);
        let result = state.results.remove(&job)?;
        state.next = self.next;
        drop(state);
        self.shared.taken.notify_all();
        Some(result.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<T> ExactSizeIterator for Ordered<T> {}

impl<T> Drop for Ordered<T> {
    fn drop(&mut self) {
        self.shared.lock().next = usize::MAX;
        self.shared.taken.notify_all();
        for worker in self.workers.drain(..) {
            // Panics of jobs are caught where they happen.
            let _ = worker.join();
        }
    }
}

impl<T> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        for workers in [0, 1, 2, 7] {
            // later jobs are done sooner
            let job = |number: usize| {
                thread::sleep(Duration::from_micros(100 * (number as u64 % 7)));
                number * number
            };
            let ordered = Ordered::new(3..40, workers, 5, job);
            assert_eq!(ordered.len(), 37);
            assert_eq!(ordered.collect::<Vec<_>>(), (3..40).map(|number| number * number).collect::<Vec<_>>());
        }
        assert_eq!(Ordered::new(4..4, 2, 1, |number| number).next(), None);
    }

    #[test]
    fn a_system_that_refuses_threads_gets_the_work_done_by_those_there_are() {
        for allowed in 0..4 {
            let left = AtomicUsize::new(allowed);
            let spawn = |work: Work| {
                if left.load(Ordering::SeqCst) == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                left.fetch_sub(1, Ordering::SeqCst);
                thread::Builder::new().spawn(work)
            };
            let ordered = Ordered::on_threads(0..20, 6, 8, |number| number, spawn);
            assert_eq!(ordered.workers.len(), allowed);
            assert_eq!(ordered.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn threads_are_bounded_by_what_can_be_under_way() {
        assert_eq!(Ordered::new(0..1000, usize::MAX, 3, |number| number).workers.len(), 3);
        let refuse = |_: Work| Err(io::ErrorKind::OutOfMemory.into());
        let mut ordered = Ordered::on_threads(0..usize::MAX, usize::MAX, usize::MAX, |number| number, refuse);
        assert_eq!((ordered.workers.len(), ordered.next()), (0, Some(0)));
    }

    #[test]
    fn no_more_is_made_ahead_than_is_allowed() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let mut ordered = Ordered::new(0..100, 3, 4, move |number| {
            counter.fetch_add(1, Ordering::SeqCst);
            number
        });
        for taken in 0..10 {
            assert_eq!(ordered.next(), Some(taken));
            thread::sleep(Duration::from_millis(2));
            assert!(made.load(Ordering::SeqCst) <= taken + 1 + 4, "after {taken}");
        }
        drop(ordered);
        assert!(made.load(Ordering::SeqCst) <= 14, "nothing goes on after the end");
    }

    #[test]
    fn a_panic_comes_up_where_its_result_is_taken() {
        let mut ordered = Ordered::new(0..3, 2, 3, |number| {
            assert_ne!(number, 1, "job one");
            number
        });
        assert_eq!(ordered.next(), Some(0));
        assert!(catch_unwind(AssertUnwindSafe(|| ordered.next())).is_err());
        assert_eq!(ordered.next(), Some(2));
    }
}
