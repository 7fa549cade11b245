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
            (WINDOWS, windows_asked_for(args, mapper)),
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

    /// What else one of them was than it is now.
    fn differences(&self, now: &Self) -> Vec<String> {
        let unknown = "unknown".to_owned();
        let differ = now.0.iter().filter_map(|(name, now)| {
            let then = self.0.get(name).unwrap_or(&unknown);
            (then != now).then(|| format!("{name} {then}, now {now}"))
        });
        differ.collect()
    }
}

/// The setting that decides on windows.
const WINDOWS: &str = "windows";

/// The windows, or what they were chosen by: of the same memory another machine, or another minute, has other ones.
fn windows_asked_for(args: &PredictArgs, mapper: &Mapper<'_>) -> String {
    let Some(most) = args.max_memory else { return mapper.windows.to_string() };
    let overlap =
        args.windows.overlap.map_or_else(|| "the model's share".to_owned(), |pixels| format!("{pixels} pixels"));
    format!("the largest below {most} bytes, {overlap} shared, blend {}", mapper.windows.blend)
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
    /// The names of the maps that were written so, and are not of another run.
    #[serde(default)]
    maps: BTreeSet<String>,
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

    /// Whether a place has a record.
    pub(super) fn knows(&self, job: &Job) -> bool {
        self.places.contains_key(&job.stem)
    }

    /// The windows that were chosen for one of these places by what is asked for now.
    pub(super) fn chosen_windows(&self, jobs: &[Job], args: &PredictArgs, mapper: &Mapper<'_>) -> Option<Windows> {
        let asked = windows_asked_for(args, mapper);
        let mut records = jobs.iter().filter_map(|job| self.places.get(&job.stem));
        records.find(|record| record.settings.0.get(WINDOWS) == Some(&asked)).map(|record| record.windows)
    }

    /// How a place stands for a run that goes on.
    ///
    /// # Errors
    ///
    /// When it was begun in another way, or outputs are there of which nothing tells how they were made.
    pub(super) fn standing(&self, job: &Job, settings: &Settings) -> Result<Standing, Failure> {
        // The journal says itself what its rows are.
        let unknown = || job.existing().filter(|_| !job.journal.exists());
        let Some(record) = self.places.get(&job.stem) else {
            return unknown().map_or(Ok(Standing::Open), |path| {
                Err(Failure::run(format!(
                    "nothing tells how {} was made; make it anew with --force, or name another --out",
                    path.display()
                )))
            });
        };
        if !job.journal.exists() && job.existing().is_none() {
            return Ok(Standing::Open);
        }
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
        let is_there = |path: &PathBuf| path.exists() && record.maps.contains(&file_name(path));
        let done = record.done && !job.journal.exists() && job.maps().all(is_there);
        Ok(if done { Standing::Done } else { Standing::Open })
    }

    /// Writes that these places are begun, whatever was written of them before.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub(super) fn begin(&mut self, jobs: &[&Job], mapper: &Mapper<'_>, settings: &Settings) -> anyhow::Result<()> {
        for job in jobs {
            let (windows, settings) = (mapper.windows, settings.clone());
            // An image that cannot be looked at is told when it is mapped.
            let images = stamps(job).unwrap_or_default();
            let place = job.stem.clone();
            let then = self.places.remove(&place);
            // Maps that were made in this way and are not asked for now stay what they are.
            let alike = then.filter(|then| then.settings == settings && then.images == images && !images.is_empty());
            let maps = alike.map(|then| then.maps).unwrap_or_default();
            self.places.insert(place.clone(), Record { place, done: false, images, windows, settings, maps });
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
        record.maps.extend(job.maps().map(|path| file_name(path)));
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line(record).map_err(std::io::Error::other)?.as_bytes()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn line(record: &Record) -> anyhow::Result<String> {
    Ok(serde_json::to_string(record)? + "\n")
}

fn stamps(job: &Job) -> anyhow::Result<Vec<Stamp>> {
    job.images.iter().map(|path| Stamp::of(path)).collect()
}
