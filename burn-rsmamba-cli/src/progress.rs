//! Messages and progress, all on stderr: a bar on a terminal, plain lines elsewhere, warnings alone with `--quiet`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where a command tells how it goes.
#[derive(Debug)]
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    bar: ProgressBar,
}

impl Progress {
    /// Progress on stderr, or none when `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, terminal: std::io::stderr().is_terminal(), bar: ProgressBar::hidden() }
    }

    /// Shows a bar of this many steps, on a terminal.
    pub(crate) fn start(&mut self, what: impl Into<String>, steps: usize) {
        if self.quiet || !self.terminal {
            return;
        }
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(5))
            .with_style(style)
            .with_prefix(what.into());
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    /// Moves the bar by one.
    pub(crate) fn advance(&self, message: impl Into<String>) {
        if !self.bar.is_hidden() {
            self.bar.set_message(message.into());
        }
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
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
    fn durations_are_spelled_by_size() {
        assert_eq!(spell(0.25), "0.2 s");
        assert_eq!(spell(48.2), "48 s");
        assert_eq!(spell(185.0), "3 min 05 s");
        assert_eq!(spell(7800.0), "2 h 10 min");
    }
}
