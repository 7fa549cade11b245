//! Writing many files: nothing is replaced, and what is there already is not written again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::aside::write_with;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;

/// Files that are to be copied, by where to.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<PathBuf, PathBuf>);

/// What a tool wrote, or would write.
#[derive(Debug, Serialize)]
pub(super) struct Placed {
    /// False for a dry run.
    pub(super) applied: bool,
    /// Files that were not there.
    pub(super) written: usize,
    /// Files that were there from an earlier run.
    pub(super) present: usize,
    /// Scenes or tiles of each part.
    pub(super) parts: BTreeMap<String, usize>,
}

impl Placed {
    /// Prints the report, and how to go on after a dry run.
    pub(super) fn print(&self, out: &Path, progress: &Progress) -> Outcome {
        if !self.applied {
            progress.info(format!(
                "dry run, nothing was written: --apply writes {} file(s) to {}",
                self.written,
                out.display()
            ));
        }
        print_json(self)?;
        Ok(())
    }
}

impl Copies {
    /// Adds a copy.
    ///
    /// # Errors
    ///
    /// When another file is to be copied to the same place.
    pub(super) fn add(&mut self, from: &Path, to: PathBuf) -> anyhow::Result<()> {
        match self.0.insert(to, from.to_owned()) {
            Some(other) if other != from => {
                bail!("{} and {} have the same name; rename one of them", other.display(), from.display())
            }
            _ => Ok(()),
        }
    }

    /// Copies what is not there, or only counts it.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written, or another one is in its place; that is found before anything is written.
    pub(super) fn apply(
        &self,
        apply: bool,
        parts: BTreeMap<String, usize>,
        progress: &mut Progress,
    ) -> Result<Placed, Failure> {
        let mut missing = Vec::new();
        for (to, from) in &self.0 {
            if !to.exists() {
                missing.push((from, to));
            } else if !same_content(from, to)? {
                return Err(Failure::run(format!(
                    "{} is there and differs from {}; nothing is overwritten: remove it or choose another --out",
                    to.display(),
                    from.display()
                )));
            }
        }
        let placed = Placed { applied: apply, written: missing.len(), present: self.0.len() - missing.len(), parts };
        if apply {
            progress.start("copying", missing.len());
            for (from, to) in missing {
                place(to, |aside| {
                    fs::copy(from, aside).with_context(|| format!("cannot copy {}", from.display()))?;
                    Ok(())
                })?;
                progress.advance("");
            }
            progress.finish();
        }
        Ok(placed)
    }
}

/// Writes a file aside and moves it to its place, with the folders above it; a file that is there stays.
///
/// # Errors
///
/// When the file cannot be written.
pub(super) fn place(path: &Path, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("cannot write {}", path.display()))?;
    write_with(path, write)
}

/// Writes a text, or finds it there.
///
/// # Errors
///
/// When the file cannot be written, or holds another text; `mend` says what to do then.
pub(super) fn place_text(path: &Path, text: &str, mend: &str) -> anyhow::Result<()> {
    check_text(path, text, mend)?;
    place(path, |aside| fs::write(aside, text).with_context(|| format!("cannot write {}", path.display())))
}

/// Whether a text is in its place, or nothing.
///
/// # Errors
///
/// When the file holds another text.
pub(super) fn check_text(path: &Path, text: &str, mend: &str) -> anyhow::Result<()> {
    if path.exists() && fs::read(path).with_context(|| format!("cannot read {}", path.display()))? != text.as_bytes() {
        bail!("{} was written with other settings; {mend}", path.display());
    }
    Ok(())
}

fn same_content(first: &Path, second: &Path) -> anyhow::Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("cannot read {}", path.display()));
    let (first, second) = (open(first)?, open(second)?);
    if first.metadata()?.len() != second.metadata()?.len() {
        return Ok(false);
    }
    for (one, other) in BufReader::new(first).bytes().zip(BufReader::new(second).bytes()) {
        if one? != other? {
            return Ok(false);
        }
    }
    Ok(true)
}
