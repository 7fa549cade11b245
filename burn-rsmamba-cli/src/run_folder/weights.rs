//! `weights/`: one file for each of the best validations, which `best.safetensors` and so on are other names of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{RunFolder, WEIGHTS};
use crate::aside::{aside, put_in_place};

/// When weights were good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The epoch.
    pub(crate) epoch: usize,
    /// Its steps that were done; 0 where it was complete.
    #[serde(default)]
    pub(crate) steps: usize,
}

impl Moment {
    fn file(self) -> String {
        match self {
            Self { epoch, steps: 0 } => format!("epoch-{epoch:04}.safetensors"),
            Self { epoch, steps } => format!("epoch-{epoch:04}-step-{steps}.safetensors"),
        }
    }
}

/// Whether a file in the folder of weights was written by a run, be it half a file.
fn is_ours(name: &str) -> bool {
    let stem = name.strip_suffix(".partial").unwrap_or(name).strip_suffix(".safetensors");
    let numbers = stem.and_then(|stem| stem.strip_prefix("epoch-")).map(|stem| stem.replacen("-step-", "", 1));
    numbers.is_some_and(|numbers| numbers.len() >= 4 && numbers.bytes().all(|byte| byte.is_ascii_digit()))
}

impl RunFolder {
    /// Weights of a moment that was among the best.
    ///
    /// # Errors
    ///
    /// When their folder cannot be made.
    pub(crate) fn weights_of(&self, moment: Moment) -> anyhow::Result<PathBuf> {
        Ok(self.folder(WEIGHTS)?.join(moment.file()))
    }

    /// Makes a name stand for the weights of a moment: a second link to the file, or a copy where links cannot be made. False, and
    /// nothing changed, where the file is gone.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn point(&self, name: &Path, moment: Moment) -> anyhow::Result<bool> {
        let target = self.weights_of(moment)?;
        if !target.exists() {
            return Ok(false);
        }
        let aside = aside(name);
        let _ = fs::remove_file(&aside);
        fs::hard_link(&target, &aside)
            .or_else(|_| fs::copy(&target, &aside).map(drop))
            .with_context(|| format!("cannot write {} as {}", target.display(), name.display()))?;
        put_in_place(name)?;
        Ok(true)
    }

    /// Removes the weights of moments that are no longer among the best, and nothing that no run has written.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    pub(crate) fn keep_weights_of(&self, moments: &[Moment]) -> anyhow::Result<()> {
        let kept: Vec<String> = moments.iter().map(|moment| moment.file()).collect();
        self.remove_from(WEIGHTS, |name| is_ours(name) && !kept.iter().any(|kept| kept == name))
    }

    /// Gives the weights of other moments than these names that no run removes; the new names.
    ///
    /// # Errors
    ///
    /// When one cannot be renamed.
    pub(crate) fn set_weights_aside(&self, but: &[Moment]) -> anyhow::Result<Vec<PathBuf>> {
        let kept: Vec<String> = but.iter().map(|moment| moment.file()).collect();
        let mut aside = Vec::new();
        for entry in fs::read_dir(self.root.join(WEIGHTS)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_ours(&name) && name.ends_with(".safetensors") && !kept.contains(&name) {
                let path = entry.path().with_file_name(format!("later-{name}"));
                fs::rename(entry.path(), &path).with_context(|| format!("cannot rename {}", entry.path().display()))?;
                aside.push(path);
            }
        }
        aside.sort();
        Ok(aside)
    }

    /// Whether a path in the run folder is one of [`weights_of`](Self::weights_of).
    pub(super) fn is_kept_weights(inside: &Path) -> bool {
        let name = inside.strip_prefix(WEIGHTS).ok().and_then(Path::to_str);
        name.is_some_and(is_ours)
    }

    /// Whether weights of a run are there.
    pub(super) fn has_weights(&self) -> bool {
        let entries = fs::read_dir(self.root.join(WEIGHTS)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| is_ours(&name.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_run_are_known_by_name() {
        for (epoch, steps) in [(1, 0), (12345, 0), (7, 31)] {
            let name = Moment { epoch, steps }.file();
            assert!(is_ours(&name) && is_ours(&format!("{name}.partial")), "{name}");
        }
        for name in
            ["pretrained.pth", "start.safetensors", "epoch-best.safetensors", "epoch-0001.pth", "epoch-.safetensors"]
        {
            assert!(!is_ours(name), "{name}");
        }
    }
}
