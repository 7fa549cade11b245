//! What each map in an output folder was made of and with, kept beside the maps, so that `--resume` never takes a map for done
//! that was made in another way.
//!
//! A line of JSON a place. A run first writes that its places are begun, which also says that their outputs may be replaced; a
//! place that is finished gets a line more. The last line of a place counts, and one that was cut off counts as if it were not
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn_rsmamba::inference::Windows;
use serde::{Deserialize, Serialize};

use super::Job;
use super::journal::Stamp;
use crate::aside::write_atomically;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::model_file;

/// Hidden, like all that is not an output.
const NAME: &str = ".burn-rsmamba-predict.jsonl";

/// What a map was made with, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Settings(BTreeMap<String, String>);

impl Settings {
    pub(super) fn of(args: &PredictArgs, mapper: &Mapper<'_>) -> Result<Self, Failure> {
        let model = model_file::find(&args.model)?;
        let (_, crc32) = model_file::checksum(&model)?;
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        let none = || "none".to_owned();
        let settings = [
            ("program", env!("CARGO_PKG_VERSION").to_owned()),
            ("model", format!("{name} ({crc32:08x})")),
            ("windows", mapper.windows.to_string()),
            ("--tta", mapper.augmented.to_string()),
            ("threshold", mapper.threshold.to_string()),
            ("--min-area", args.objects.min_area.map_or_else(none, |area| format!("{area:?}"))),
            ("--fill-holes", args.objects.fill_holes.to_string()),
            ("--align", args.align.map_or_else(none, |how| how.to_string())),
            ("--device", args.device.clone()),
            ("--precision", args.precision.to_string()),
        ];
        Ok(Self(settings.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    fn differences(&self, now: &Self) -> Vec<String> {
        let unknown = "unknown".to_owned();
        let differ = now.0.iter().filter_map(|(name, now)| {
            let then = self.0.get(name).unwrap_or(&unknown);
            (then != now).then(|| format!("{name} {then}, now {now}"))
        });
        differ.collect()
    }
}

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// The name of the place, which its outputs begin with.
    place: String,
    done: bool,
    images: Vec<Stamp>,
    windows: Windows,
    settings: Settings,
}

/// The records of an output folder.
pub(super) struct Records {
    path: PathBuf,
    places: BTreeMap<String, Record>,
}

/// How a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All that was asked for is there.
    Done,
    /// It is to be mapped.
    Open,
}

impl Records {
    /// What a folder has; nothing where it is not there yet.
    pub(super) fn read(out: &Path) -> Self {
        let path = out.join(NAME);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
        let places = records.map(|record| (record.place.clone(), record)).collect();
        Self { path, places }
    }

    /// The windows that one of these places was begun with.
    pub(super) fn windows(&self, jobs: &[Job]) -> Option<Windows> {
        jobs.iter().find_map(|job| self.places.get(&job.stem)).map(|record| record.windows)
    }

    /// How a place stands for a run that goes on.
    ///
    /// # Errors
    ///
    /// When it was begun in another way, or outputs are there of which nothing tells how they were made.
    pub(super) fn standing(&self, job: &Job, settings: &Settings) -> Result<Standing, Failure> {
        let Some(record) = self.places.get(&job.stem) else {
            // The journal says itself what its rows are.
            let unknown = job.outputs().find(|path| path.exists()).filter(|_| !job.journal.exists());
            return unknown.map_or(Ok(Standing::Open), |path| {
                Err(Failure::run(format!(
                    "nothing tells how {} was made; make it anew with --force, or name another --out",
                    path.display()
                )))
            });
        };
        let mut differ = record.settings.differences(settings);
        if differ.is_empty() && record.images != stamps(job).unwrap_or_default() {
            let images: Vec<String> = job.images.iter().map(|path| path.display().to_string()).collect();
            differ.push(format!("other files than {} are now", images.join(" and ")));
        }
        if !differ.is_empty() {
            return Err(Failure::run(format!(
                "{} was begun with {}; ask for what it was begun with, begin anew with --force, or name another --out",
                job.mask.display(),
                differ.join("; ")
            )));
        }
        let done = record.done && !job.journal.exists() && job.outputs().all(|path| path.exists());
        Ok(if done { Standing::Done } else { Standing::Open })
    }

    /// Writes that these places are begun, whatever was written of them before.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub(super) fn begin(&mut self, jobs: &[&Job], mapper: &Mapper<'_>, settings: &Settings) -> anyhow::Result<()> {
        let begun: BTreeSet<&str> = jobs.iter().map(|job| job.stem.as_str()).collect();
        self.places.retain(|place, _| !begun.contains(place.as_str()));
        for job in jobs {
            let (windows, settings) = (mapper.windows, settings.clone());
            // An image that cannot be looked at is told when it is mapped.
            let images = stamps(job).unwrap_or_default();
            let record = Record { place: job.stem.clone(), done: false, images, windows, settings };
            self.places.insert(job.stem.clone(), record);
        }
        let lines = self.places.values().map(line).collect::<anyhow::Result<String>>()?;
        write_atomically(&self.path, lines.as_bytes())
    }

    /// Writes that a place is finished.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn finish(&mut self, job: &Job) -> anyhow::Result<()> {
        let Some(record) = self.places.get_mut(&job.stem) else { return Ok(()) };
        record.done = true;
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line(record).map_err(std::io::Error::other)?.as_bytes()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn line(record: &Record) -> anyhow::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

fn stamps(job: &Job) -> anyhow::Result<Vec<Stamp>> {
    job.images.iter().map(|path| Stamp::of(path)).collect()
}
