//! The folder a training run writes, and the names in it.

#[cfg(test)]
mod tests;
mod weights;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use crate::aside::{aside, put_in_place, write_aside, write_atomically};
use crate::error::Failure;
use crate::{fault, lock};
pub(crate) use weights::Moment;

/// The names of a run.
const CONFIG: &str = "config.toml";
const ENVIRONMENT: &str = "environment.jsonl";
const METRICS: &str = "metrics.jsonl";
const STEPS: &str = "steps.jsonl";
const BEST: &str = "best.safetensors";
const BEST_LOSS: &str = "best_loss.safetensors";
const LAST: &str = "last.safetensors";
const STATE: &str = "last.state";
const PREVIOUS_STATE: &str = "previous.state";
const DAMAGED_STATE: &str = "damaged.state";
const WEIGHTS: &str = "weights";
const SCORES: &str = "scores.json";
const CURVES: &str = "curves.svg";
const REPORT: &str = "report.html";
const PREDICTIONS: &str = "predictions";
/// In that folder, which of the files are the run's own: a line of JSON each.
const OWN_PICTURES: &str = ".pictures.jsonl";
/// All of them, files first.
const FILES: [&str; 13] = [
    CONFIG,
    ENVIRONMENT,
    METRICS,
    STEPS,
    BEST,
    BEST_LOSS,
    LAST,
    STATE,
    PREVIOUS_STATE,
    DAMAGED_STATE,
    SCORES,
    CURVES,
    REPORT,
];

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
#[derive(Debug)]
pub(crate) struct RunFolder {
    root: PathBuf,
    /// Locked as long as this is there, where the system can lock a folder.
    lock: Option<File>,
}

impl RunFolder {
    /// Complains about a folder that the flags do not go with; changes nothing.
    ///
    /// # Errors
    ///
    /// A usage error when a run is there and `existing` does not allow for it; a run error when there is nothing to
    /// resume, or something else than a folder.
    pub(crate) fn check(root: &Path, existing: Existing) -> Result<(), Failure> {
        let run = Self { root: root.to_owned(), lock: None };
        if root.exists() && !root.is_dir() {
            return Err(Failure::run(format!("--out {} is a file; name a folder", root.display())));
        }
        match existing {
            Existing::Refuse if run.holds_a_run() => Err(Failure::usage(format!(
                "--out {} holds a run already: continue it with --resume, overwrite it with --force, or name another \
                 folder",
                root.display()
            ))),
            Existing::Resume if !Self::config_of(root).is_file() || (!run.has_state() && run.best().is_file()) => {
                Err(Failure::run(format!(
                    "nothing to resume: there is no {}; start the run without --resume",
                    run.state().display()
                )))
            }
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
            Failure::run(format!(
                "cannot write to the run folder {} ({cause}); check its permissions, or choose another folder",
                root.display()
            ))
        })?;
        Ok(Self { root: root.to_owned(), lock: None })
    }

    /// Keeps other processes from training in this folder, as long as this one lives.
    ///
    /// # Errors
    ///
    /// When another process is at it.
    pub(crate) fn lock(&mut self) -> Result<(), Failure> {
        self.lock = lock::folder(&self.root, "training in")?;
        Ok(())
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

    /// The states there may be, the newest first.
    pub(crate) fn states(&self) -> [PathBuf; 2] {
        [self.state(), self.root.join(PREVIOUS_STATE)]
    }

    /// [`has_state`](Self::has_state) of the run in a folder.
    pub(crate) fn has_state_in(root: &Path) -> bool {
        Self { root: root.to_owned(), lock: None }.has_state()
    }

    /// Whether there is a state to go on from; a run that was stopped early has none.
    pub(crate) fn has_state(&self) -> bool {
        self.states().iter().any(|state| state.is_file())
    }

    /// Replaces the state and keeps the one before: whenever the process ends, one of them is complete.
    ///
    /// # Errors
    ///
    /// When a file cannot be written; the earlier states stay.
    pub(crate) fn write_state(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let [newest, previous] = self.states();
        write_aside(&newest, bytes)?;
        if newest.is_file() {
            fs::rename(&newest, &previous).with_context(|| format!("cannot write {}", previous.display()))?;
            fault::point();
        }
        put_in_place(&newest)
    }

    /// Gives a damaged state another name, so that no state to come takes it for the one before.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub(crate) fn set_aside(&self, state: &Path) -> anyhow::Result<PathBuf> {
        let aside = self.root.join(DAMAGED_STATE);
        fs::rename(state, &aside).with_context(|| format!("cannot rename {}", state.display()))?;
        fault::point();
        Ok(aside)
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
        self.folder(PREDICTIONS)
    }

    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.root.join(name);
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

    /// Takes the scores away: they are of weights that are no longer the last word.
    ///
    /// # Errors
    ///
    /// When they cannot be removed.
    pub(crate) fn forget_scores(&self) -> anyhow::Result<()> {
        let path = self.scores();
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Adds the line of an epoch to `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn append_metrics(&self, row: &impl Serialize) -> anyhow::Result<()> {
        self.append(METRICS, row)
    }

    /// Adds the line of a step to `steps.jsonl`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn append_step(&self, row: &impl Serialize) -> anyhow::Result<()> {
        self.append(STEPS, row)
    }

    /// Adds what a start of the run ran on to `environment.jsonl`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn append_environment(&self, row: &impl Serialize) -> anyhow::Result<()> {
        self.append(ENVIRONMENT, row)
    }

    fn append(&self, name: &str, row: &impl Serialize) -> anyhow::Result<()> {
        let path = self.root.join(name);
        let mut line = serde_json::to_string(row)?;
        line.push('\n');
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Drops the lines of what a resumed run will do again: this epoch and later ones, and this epoch's steps after so many.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub(crate) fn forget_from(&self, epoch: usize, steps: usize) -> anyhow::Result<()> {
        let number = |row: &Value, key: &str| row[key].as_u64().map(|number| number as usize);
        self.retain(METRICS, |row| number(row, "epoch").is_some_and(|of| of < epoch))?;
        self.retain(STEPS, |row| {
            number(row, "epoch").zip(number(row, "step")).is_some_and(|(of, step)| (of, step) <= (epoch, steps))
        })
    }

    /// Keeps the complete lines that are wanted.
    fn retain(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        let path = self.root.join(name);
        if !path.is_file() {
            return Ok(());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kept: String = text
            .lines()
            .filter(|line| serde_json::from_str(line).is_ok_and(|row| wanted(&row)))
            .flat_map(|line| [line, "\n"])
            .collect();
        write_atomically(&path, kept.as_bytes())
    }

    fn holds_a_run(&self) -> bool {
        FILES.iter().any(|name| self.root.join(name).exists()) || self.has_weights()
    }

    /// Removes the files of a run, and nothing else.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    pub(crate) fn clear(&self) -> anyhow::Result<()> {
        for name in FILES {
            let path = self.root.join(name);
            // What an interrupted process was writing goes too.
            for path in [aside(&path), self.root.join(format!("{name}.partial")), path] {
                if path.is_file() {
                    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                }
            }
        }
        self.forget_predictions()?;
        self.keep_weights_of(&[])?;
        for folder in [WEIGHTS, PREDICTIONS] {
            // One that holds something else stays.
            let _ = fs::remove_dir(self.root.join(folder));
        }
        Ok(())
    }

    /// Whether [`clear`](Self::clear) would remove a file.
    pub(crate) fn would_clear(&self, path: &Path) -> bool {
        let (Ok(path), Ok(root)) = (path.canonicalize(), self.root.canonicalize()) else { return false };
        let Ok(inside) = path.strip_prefix(root) else { return false };
        FILES.iter().any(|name| inside == Path::new(name)) || Self::is_kept_weights(inside)
    }

    /// Writes down that a picture in the folder of predictions, which is about to be written, is the run's own.
    ///
    /// # Errors
    ///
    /// When it cannot be written down.
    pub(crate) fn own_picture(&self, path: &Path) -> anyhow::Result<()> {
        let list = self.root.join(PREDICTIONS).join(OWN_PICTURES);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&list)
            .and_then(|mut file| file.write_all((serde_json::to_string(&name)? + "\n").as_bytes()))
            .with_context(|| format!("cannot write {}", list.display()))
    }

    /// Takes the pictures of predictions away that a run has written, and nothing else.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    pub(crate) fn forget_predictions(&self) -> anyhow::Result<()> {
        let list = fs::read_to_string(self.root.join(PREDICTIONS).join(OWN_PICTURES)).unwrap_or_default();
        let own: BTreeSet<String> = list.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        self.remove_from(PREDICTIONS, |name| own.contains(name))?;
        self.remove_from(PREDICTIONS, |name| name == OWN_PICTURES)
    }

    /// Removes the files of a folder, if it is there, whose names are these.
    fn remove_from(&self, folder: &str, is_ours: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let folder = self.root.join(folder);
        if !folder.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.is_file() && path.file_name().is_some_and(|name| is_ours(&name.to_string_lossy())) {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Fails where files cannot be made.
fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(".writable");
    fs::write(&path, [])?;
    fs::remove_file(&path)
}
