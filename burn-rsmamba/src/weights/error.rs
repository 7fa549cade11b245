use crate::models::Task;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A weights file that could not be read, understood or written. Every message is one line and names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or read.
    #[error("cannot read weights {}: {source}; check the path and who may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write weights {}: {source}; what was there is untouched, make room or name another place", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a weights file, or a damaged one.
    #[error("{} holds no usable weights: {reason}", path.display())]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is for the other task.
    #[error("{} is a checkpoint for task {found}, not {expected}; load it as what it is", path.display())]
    OtherTask {
        /// The file.
        path: PathBuf,
        /// The model's task.
        expected: Task,
        /// The file's task.
        found: Task,
    },
    /// The entries are not those of the model.
    #[error("{} does not fit the model: {mismatch}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Names by kind.
        mismatch: Mismatch,
    },
    /// An entry holds a NaN or an infinity.
    #[error("{}: entry `{name}` holds a value that is not finite; use an earlier checkpoint", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
    },
}

impl WeightsError {
    pub(super) fn unwritable(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Write { path: path.to_owned(), source: std::io::Error::other(error) }
    }

    /// `reason` may quote the file: it becomes one line of printable text, and not a long one.
    pub(super) fn not_weights(path: &Path, reason: &str) -> Self {
        let mut printable: String = reason.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        if let Some((end, _)) = printable.char_indices().nth(LONGEST_REASON) {
            printable.truncate(end);
            printable.push('…');
        }
        Self::NotWeights { path: path.to_owned(), reason: printable }
    }
}

/// Most characters of a reason.
const LONGEST_REASON: usize = 400;

/// Entries of a file that are not the model's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// In the file, not in the model.
    pub unknown: Vec<String>,
    /// In the model, not in the file.
    pub missing: Vec<String>,
    /// In both, with other shapes: name, the model's shape, the file's shape.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Mismatch {
    pub(super) fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.missing.is_empty() && self.misshapen.is_empty()
    }
}

/// Names listed of each kind.
const SHOWN: usize = 6;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|(name, model, file)| format!("{name} (model {model:?}, file {file:?})"))
            .collect();
        let mut separator = "";
        for (kind, names) in [("misshapen", &misshapen), ("missing", &self.missing), ("unknown", &self.unknown)] {
            if names.is_empty() {
                continue;
            }
            write!(f, "{separator}{} {kind}: {}", names.len(), names[..names.len().min(SHOWN)].join(", "))?;
            if names.len() > SHOWN {
                write!(f, ", and {} more", names.len() - SHOWN)?;
            }
            separator = "; ";
        }
        Ok(())
    }
}
