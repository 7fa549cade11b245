//! The two ways a command can fail, and the exit code of each.

use std::fmt;
use std::process::ExitCode;

/// A command that did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request itself is wrong: a flag, a value or a config key. Exit code 2.
    Usage(String),
    /// The request is fine, but a file, the data or the run is not. Exit code 1.
    Run(anyhow::Error),
}

/// What every command returns.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// A data or run error.
    pub(crate) fn run(message: impl Into<String>) -> Self {
        Self::Run(anyhow::Error::msg(message.into()))
    }

    /// The exit code scripts rely on.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::from(1),
        }
    }

    /// Whether the reader of our stdout went away, which is no failure of ours.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let Self::Run(error) = self else {
            return false;
        };
        error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
            .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    /// The message with its causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Usage(message) => message.clone(),
            Self::Run(error) => format!("{error:#}"),
        };
        let lines: Vec<&str> = text.split_whitespace().collect();
        f.write_str(&lines.join(" "))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_line_breaks_become_one_line() {
        let cause = anyhow::Error::msg("line 3:\n  bad key");
        let failure = Failure::from(cause.context("cannot read the config"));
        assert_eq!(failure.to_string(), "cannot read the config: line 3: bad key");
    }

    #[test]
    fn only_a_closed_stdout_is_a_broken_pipe() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Failure::from(closed).is_broken_pipe());
        assert!(!Failure::run("no").is_broken_pipe());
        assert!(!Failure::usage("no").is_broken_pipe());
    }
}
