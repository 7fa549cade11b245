//! Messages and progress, all on stderr: a bar or a dashboard on a terminal, plain lines elsewhere, warnings alone with `--quiet`.

mod dashboard;

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Failure;
use dashboard::Dashboard;
pub(crate) use dashboard::EpochPoint;

/// How often long work says how far it is where there is no bar.
const TELL: Duration = Duration::from_mins(1);

/// Where a command tells how it goes.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    bar: ProgressBar,
    dashboard: Option<Mutex<Dashboard>>,
    /// Steps may be done on several threads.
    pace: Mutex<Option<Pace>>,
}

/// Work that takes time: how far it is, and when that was last said.
#[derive(Debug)]
struct Pace {
    what: String,
    done: usize,
    steps: usize,
    started: Instant,
    told: Instant,
}

impl Pace {
    /// One step further; says how far it is when that is due.
    fn advance(&mut self) -> Option<String> {
        self.done += 1;
        let due = self.told.elapsed() >= TELL && self.done < self.steps;
        due.then(|| {
            self.told = Instant::now();
            self.line(self.started.elapsed())
        })
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self { what, done, steps, .. } = self;
        let left = elapsed.as_secs_f64() / *done as f64 * (steps - done) as f64;
        format!("{what}: {done} of {steps}, {} left", spell(left))
    }
}

impl Progress {
    /// Progress on stderr, or none when `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { quiet, terminal, bar: ProgressBar::hidden(), dashboard: None, pace: Mutex::new(None) }
    }

    /// Shows a dashboard in place of bars, until [`close_dashboard`](Self::close_dashboard).
    ///
    /// # Errors
    ///
    /// A usage error where there is no terminal to draw on.
    pub(crate) fn open_dashboard(&mut self) -> Result<(), Failure> {
        if self.quiet || !self.terminal {
            return Err(Failure::usage(
                "--tui needs a terminal on stderr and no --quiet; leave it out, lines are printed then",
            ));
        }
        let dashboard = Dashboard::new().map_err(|error| {
            Failure::usage(format!("--tui: this terminal cannot be drawn on ({error}); leave it out"))
        })?;
        self.dashboard = Some(Mutex::new(dashboard));
        Ok(())
    }

    /// Gives the terminal back.
    pub(crate) fn close_dashboard(&mut self) {
        self.dashboard = None;
    }

    /// Adds an epoch to the curves of the dashboard, if there is one.
    pub(crate) fn epoch(&self, point: EpochPoint) {
        self.on_dashboard(|dashboard| dashboard.add(point));
    }

    /// Whether there is a dashboard, which then does this.
    fn on_dashboard(&self, act: impl FnOnce(&mut Dashboard)) -> bool {
        let Some(dashboard) = &self.dashboard else { return false };
        act(&mut dashboard.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Shows a bar of this many steps on a terminal; elsewhere a line a minute says how far it is.
    pub(crate) fn start(&mut self, what: impl Into<String>, steps: usize) {
        let (what, now) = (what.into(), Instant::now());
        *self.pace() = Some(Pace { what: what.clone(), done: 0, steps, started: now, told: now });
        if self.quiet || !self.terminal || self.on_dashboard(|dashboard| dashboard.start(what.clone(), steps)) {
            return;
        }
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(5))
            .with_style(style)
            .with_prefix(what);
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    /// One step further.
    pub(crate) fn advance(&self, message: impl Into<String>) {
        let message = message.into();
        if self.on_dashboard(|dashboard| dashboard.advance(message.clone())) {
            return;
        }
        if !self.bar.is_hidden() {
            self.bar.set_message(message);
        }
        self.bar.inc(1);
        let line = self.pace().as_mut().and_then(Pace::advance);
        if let Some(line) = line.filter(|_| !self.terminal) {
            self.info(line);
        }
    }

    fn pace(&self) -> MutexGuard<'_, Option<Pace>> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
        *self.pace() = None;
    }

    /// Says something worth knowing.
    pub(crate) fn info(&self, message: impl AsRef<str>) {
        if !self.quiet {
            self.line(message.as_ref());
        }
    }

    /// Says something that may be wrong; `--quiet` does not silence it.
    pub(crate) fn warn(&self, message: impl AsRef<str>) {
        self.line(&format!("warning: {}", message.as_ref()));
    }

    fn line(&self, text: &str) {
        if self.on_dashboard(|dashboard| dashboard.line(text)) {
            return;
        }
        // A closed stderr must not end a training run.
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Seconds as people say them: `48 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) fn spell(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    match (total / 3600, total / 60 % 60, total % 60) {
        (0, 0, _) if seconds < 10.0 => format!("{seconds:.1} s"),
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_says_how_much_is_left() {
        let now = Instant::now();
        let pace = Pace { what: "mapping a.tif".into(), done: 10, steps: 50, started: now, told: now };
        assert_eq!(pace.line(Duration::from_secs(30)), "mapping a.tif: 10 of 50, 2 min 00 s left");
    }

    #[test]
    fn durations_are_spelled_by_size() {
        assert_eq!(spell(0.25), "0.2 s");
        assert_eq!(spell(48.2), "48 s");
        assert_eq!(spell(185.0), "3 min 05 s");
        assert_eq!(spell(7800.0), "2 h 10 min");
    }
}
