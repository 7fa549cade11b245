//! Finished rows of a place, kept beside its outputs until these are complete, so that `--resume` can go on with them.
//!
//! A line of JSON says what the rows depend on. Then come records of rows from top to bottom: how many, a checksum, and the
//! probabilities as little-endian floats, [`NO_DATA`] where there are none. A process that is killed leaves a part of a record at
//! most, which is dropped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use burn_rsmamba::Precision;
use burn_rsmamba::inference::Windows;
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// What stands for a pixel without data: no probability.
pub(super) const NO_DATA: f32 = -1.0;

/// What the probabilities of a place depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub(super) program: String,
    pub(super) model: Stamp,
    pub(super) images: Vec<Stamp>,
    pub(super) windows: Windows,
    pub(super) tta: bool,
    pub(super) align: Option<String>,
    pub(super) device: String,
    #[serde(default)]
    pub(super) precision: Precision,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// As text: JSON has no other. Where that is not all of it, with a checksum of the whole.
    path: String,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let stamp = || -> std::io::Result<Self> {
            let path = path.canonicalize()?;
            let file = path.metadata()?;
            let modified = file.modified()?.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
            let path = path.into_os_string().into_string().unwrap_or_else(|path| {
                format!("{} ({:08x})", path.display(), crc32fast::hash(path.as_encoded_bytes()))
            });
            Ok(Self { path, bytes: file.len(), modified })
        };
        stamp().with_context(|| path.display().to_string())
    }
}

impl Origin {
    /// What is not as it was.
    fn difference(&self, now: &Self) -> Option<String> {
        let files = |stamps: &[Stamp]| -> Vec<String> {
            stamps.iter().map(|stamp| format!("{} ({} bytes)", stamp.path, stamp.bytes)).collect()
        };
        let differ = |what: &str, then: &str, now: &str| Some(format!("{what} then: {then}; now: {now}"));
        let changed = |what: &str, then: &[Stamp], now: &[Stamp]| match (files(then), files(now)) {
            (then, now) if then == now => Some(format!("{what} was written anew: {}", now.join(", "))),
            (then, now) => differ(what, &then.join(", "), &now.join(", ")),
        };
        let align = |origin: &Self| origin.align.clone().unwrap_or_else(|| "none".into());
        match () {
            () if self.program != now.program => differ("program", &self.program, &now.program),
            () if self.model != now.model => {
                changed("model", std::slice::from_ref(&self.model), std::slice::from_ref(&now.model))
            }
            () if self.images != now.images => changed("input", &self.images, &now.images),
            () if self.windows != now.windows => differ("windows", &self.windows.to_string(), &now.windows.to_string()),
            () if self.tta != now.tta => differ("--tta", &self.tta.to_string(), &now.tta.to_string()),
            () if self.align != now.align => differ("--align", &align(self), &align(now)),
            () if self.device != now.device => differ("--device", &self.device, &now.device),
            () if self.precision != now.precision => {
                differ("--precision", &self.precision.to_string(), &now.precision.to_string())
            }
            () => None,
        }
    }
}

/// The journal of a place.
pub(super) struct Journal {
    path: PathBuf,
    origin: Origin,
    file: Option<BufWriter<File>>,
}

impl Journal {
    /// A journal without rows; the file is made with the first of them.
    pub(super) fn new(path: &Path, origin: Origin) -> Self {
        Self { path: path.into(), origin, file: None }
    }

    /// Goes on with the journal that an interrupted run left, where there is one: `each` takes the rows that are in it, with the
    /// first of them; returns how many there are.
    ///
    /// # Errors
    ///
    /// When the rows are not of this origin, with what has changed; what `each` returns.
    pub(super) fn resume(
        &mut self,
        width: usize,
        mut each: impl FnMut(usize, &[f32]) -> anyhow::Result<()>,
    ) -> anyhow::Result<usize> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            file => file.with_context(|| self.path.display().to_string())?,
        };
        let mut file = BufReader::new(file);
        let mut line = String::new();
        // A header that is not complete, or not text, has no rows behind it.
        if file.read_line(&mut line).is_err() || !line.ends_with('\n') {
            return Ok(0);
        }
        let then: Option<Origin> = serde_json::from_str(&line).ok();
        let difference = match then {
            Some(then) => then.difference(&self.origin),
            None => Some("it was written by another version of this program".into()),
        };
        if let Some(difference) = difference {
            anyhow::bail!(
                "{} cannot be resumed: {difference}; ask for what it was begun with, or begin anew with --force",
                self.path.display()
            );
        }
        let mut end = file.stream_position()?;
        let mut rows = 0;
        while let Some(values) = record(&mut file, width) {
            each(rows, &values)?;
            rows += values.len() / width;
            end = file.stream_position()?;
        }
        let mut file = file.into_inner();
        file.set_len(end)?;
        file.seek(std::io::SeekFrom::End(0))?;
        self.file = Some(BufWriter::new(file));
        Ok(rows)
    }

    /// Adds rows; they are in the system's hands when this returns.
    pub(super) fn append(&mut self, values: &[f32]) -> anyhow::Result<()> {
        self.try_append(values).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn try_append(&mut self, values: &[f32]) -> anyhow::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = BufWriter::new(File::create(&self.path)?);
                writeln!(file, "{}", serde_json::to_string(&self.origin)?)?;
                none.insert(file)
            }
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write_all(&(values.len() as u64).to_le_bytes())?;
        file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
        file.write_all(&bytes)?;
        file.flush()?;
        Ok(())
    }

    /// Takes the file away: its rows are in outputs that are complete, or cannot be gone on with.
    pub(super) fn remove(self) {
        drop(self.file);
        // There may be none; and one that stays is found, and refused or resumed, by the next run.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The next record, if it is there as it was written.
fn record(file: &mut impl Read, width: usize) -> Option<Vec<f32>> {
    let (mut count, mut sum) = ([0; 8], [0; 4]);
    file.read_exact(&mut count).ok()?;
    file.read_exact(&mut sum).ok()?;
    let bytes_wanted = u64::from_le_bytes(count).checked_mul(4)?;
    let mut bytes = Vec::new();
    // Grows with what is there, whatever a damaged count says.
    file.take(bytes_wanted).read_to_end(&mut bytes).ok()?;
    let whole_rows = bytes.len() as u64 == bytes_wanted && bytes.len().is_multiple_of(4 * width) && !bytes.is_empty();
    if !whole_rows || crc32fast::hash(&bytes) != u32::from_le_bytes(sum) {
        return None;
    }
    Some(bytes.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect())
}

/// Takes away the journal of a run that is replaced.
///
/// # Errors
///
/// When it is there and stays.
pub(super) fn forget(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Refuses to begin anew where an interrupted run left rows.
///
/// # Errors
///
/// A usage error that names the journal and both ways on.
pub(super) fn refuse_leftover(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} holds what an interrupted run has finished: go on with --resume, or begin anew with --force",
        path.display()
    )))
}
