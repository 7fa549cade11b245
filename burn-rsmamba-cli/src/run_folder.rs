//! The folder a training run writes, and the names in it.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::error::Failure;

/// The names of a run.
const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const BEST: &str = "best.safetensors";
const BEST_LOSS: &str = "best_loss.safetensors";
const LAST: &str = "last.safetensors";
const STATE: &str = "last.state";
const SCORES: &str = "scores.json";
const CURVES: &str = "curves.svg";
const REPORT: &str = "report.html";
const PREDICTIONS: &str = "predictions";

/// What to do about a run that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave it alone and complain.
    Refuse,
    /// Remove its files and start anew.
    Replace,
    /// Continue it.
    Resume,
}

/// A run folder.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Complains about a folder that the flags do not go with; changes nothing.
    ///
    /// # Errors
    ///
    /// A usage error when a run is there and `existing` does not allow for it; a run error when there is nothing to
    /// resume, or something else than a folder.
    pub(crate) fn check(root: &Path, existing: Existing) -> Result<(), Failure> {
        let run = Self { root: root.to_owned() };
        if root.exists() && !root.is_dir() {
            return Err(Failure::run(format!("--out {} is a file; name a folder", root.display())));
        }
        match existing {
            Existing::Refuse if run.holds_a_run() => Err(Failure::usage(format!(
                "--out {} holds a run already: continue it with --resume, overwrite it with --force, or name another \
                 folder",
                root.display()
            ))),
            Existing::Resume if !run.state().is_file() => Err(Failure::run(format!(
                "nothing to resume: there is no {}; start the run without --resume",
                run.state().display()
            ))),
            _ => Ok(()),
        }
    }

    /// Makes the folder, and makes sure that it can be written.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub(crate) fn make(root: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(root).and_then(|()| probe(root)).map_err(|cause| {
            Failure::run(format!("cannot write to the run folder {} ({cause}); choose another --out", root.display()))
        })?;
        Ok(Self { root: root.to_owned() })
    }

    /// Where a run in this folder has its best weights.
    pub(crate) fn best_of(root: &Path) -> PathBuf {
        root.join(BEST)
    }

    /// Where a run in this folder has its settings.
    pub(crate) fn config_of(root: &Path) -> PathBuf {
        root.join(CONFIG)
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Weights of the best F1.
    pub(crate) fn best(&self) -> PathBuf {
        Self::best_of(&self.root)
    }

    /// Weights of the lowest validation loss.
    pub(crate) fn best_loss(&self) -> PathBuf {
        self.root.join(BEST_LOSS)
    }

    /// Weights of the last checkpoint.
    pub(crate) fn last(&self) -> PathBuf {
        self.root.join(LAST)
    }

    /// Everything `--resume` needs.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }

    /// One line an epoch.
    pub(crate) fn metrics(&self) -> PathBuf {
        self.root.join(METRICS)
    }

    /// The scores of the best weights, of the split and of each image.
    pub(crate) fn scores(&self) -> PathBuf {
        self.root.join(SCORES)
    }

    /// The metrics as a picture.
    pub(crate) fn curves(&self) -> PathBuf {
        self.root.join(CURVES)
    }

    /// The run as a page.
    pub(crate) fn html_report(&self) -> PathBuf {
        self.root.join(REPORT)
    }

    /// The folder of pictures, made if need be.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn predictions(&self) -> anyhow::Result<PathBuf> {
        let folder = self.root.join(PREDICTIONS);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// Writes the settings.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write_config(&self, text: &str) -> anyhow::Result<()> {
        write_atomically(&Self::config_of(&self.root), text.as_bytes())
    }

    /// Writes the scores.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write_scores(&self, scores: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(scores)?;
        line.push(b'\n');
        write_atomically(&self.scores(), &line)
    }

    /// Adds one line to `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn append_metrics(&self, row: &impl Serialize) -> anyhow::Result<()> {
        let path = self.metrics();
        let mut line = serde_json::to_string(row)?;
        line.push('\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Drops the lines of this epoch and later ones, which a resumed run will write again.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub(crate) fn forget_metrics_from(&self, epoch: usize) -> anyhow::Result<()> {
        let path = self.metrics();
        if !path.is_file() {
            return Ok(());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kept: String = text
            .lines()
            .filter(|line| epoch_of(line).is_some_and(|of_line| of_line < epoch))
            .flat_map(|line| [line, "\n"])
            .collect();
        write_atomically(&path, kept.as_bytes())
    }

    fn holds_a_run(&self) -> bool {
        [CONFIG, METRICS, BEST, LAST, STATE].iter().any(|name| self.root.join(name).exists())
    }

    /// Removes the files of a run, and nothing else.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        for name in [CONFIG, METRICS, BEST, BEST_LOSS, LAST, STATE, SCORES, CURVES, REPORT] {
            let path = self.root.join(name);
            if path.exists() {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        let pictures = self.root.join(PREDICTIONS);
        if pictures.is_dir() {
            fs::remove_dir_all(&pictures).with_context(|| format!("cannot remove {}", pictures.display()))?;
        }
        Ok(())
    }
}

/// Writes beside the file, syncs, then renames, so that the file is never half there.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".part");
    let aside = PathBuf::from(aside);
    File::create(&aside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&aside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Fails where files cannot be made.
fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(".writable");
    fs::write(&path, [])?;
    fs::remove_file(&path)
}

fn epoch_of(line: &str) -> Option<usize> {
    let row: serde_json::Value = serde_json::from_str(line).ok()?;
    row["epoch"].as_u64().map(|epoch| epoch as usize)
}
