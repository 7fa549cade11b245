//! The files of one place: small objects are taken away, then each file is written by a thread of its own.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::thread::Scope;

use anyhow::Context;
use burn_rsmamba::vector::{Class, Run, Sieve, runs};
use burn_rsmamba_datasets::GeoTiff;

use super::writer::{Writer, partial, write_geotiff, write_polygons};
use super::{Job, names};
use crate::mask_file::{Coding, Format};
use crate::pictures;

/// The outputs of a job.
pub(super) struct Outputs<'a> {
    job: &'a Job,
    /// Logits a pixel.
    classes: usize,
    width: usize,
    height: usize,
    nodata: bool,
}

/// The threads that write.
pub(super) struct Writers<'scope> {
    width: usize,
    classes: usize,
    sieve: Option<Sieve>,
    mask: Writer<'scope, u8>,
    polygons: Option<Writer<'scope, Vec<Run>, u64>>,
    probability: Option<Writer<'scope, f32>>,
    tally: Tally,
}

/// What is in the mask.
#[derive(Clone)]
pub(super) struct Tally {
    /// Pixels of each class; of a mask, of what is not marked and what is.
    pixels: Vec<u64>,
    /// Polygons, where they are written.
    pub(super) objects: Option<u64>,
}

impl Tally {
    /// The share of each class among the pixels with data.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mapped: u64 = self.pixels.iter().sum();
        self.pixels.iter().map(|&pixels| if mapped == 0 { 0.0 } else { pixels as f64 / mapped as f64 }).collect()
    }

    /// The share of what is not of class 0.
    pub(super) fn marked(&self) -> f64 {
        let (mapped, marked): (u64, u64) = (self.pixels.iter().sum(), self.pixels[1..].iter().sum());
        if mapped == 0 { 0.0 } else { marked as f64 / mapped as f64 }
    }
}

impl<'a> Outputs<'a> {
    pub(super) fn new(job: &'a Job, classes: usize, (height, width): (usize, usize), nodata: bool) -> Self {
        Self { job, classes, width, height, nodata }
    }

    /// Starts a thread a file.
    pub(super) fn start<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        sieve: Option<Sieve>,
    ) -> Writers<'scope> {
        let mask = partial(&self.job.mask);
        let mask = if self.job.format == Format::GeoTiff {
            let raster = self.raster(Coding::of(self.classes).nodata().to_string());
            Writer::spawn(scope, move |rows| write_geotiff(&mask, &raster, rows))
        } else {
            let size = (self.width, self.height);
            // Rows are missing where mapping failed, which is reported.
            Writer::spawn(scope, move |rows: Receiver<Vec<u8>>| pictures::write_mask(&mask, size, rows.into_iter()))
        };
        let polygons = self.job.polygons.as_deref().map(|path| {
            let path = partial(path);
            Writer::spawn(scope, move |rows| write_polygons(&path, self.job.georeference.as_ref(), self.classes, rows))
        });
        let probability = self.job.prob.as_deref().map(|path| {
            let (path, raster) = (partial(path), self.raster("nan".to_owned()));
            Writer::spawn(scope, move |rows| write_geotiff(&path, &raster, rows))
        });
        let (width, classes) = (self.width, self.classes);
        let tally = Tally { pixels: vec![0; classes.max(2)], objects: None };
        Writers { width, classes, sieve, mask, polygons, probability, tally }
    }

    /// Gives the complete files their names.
    pub(super) fn publish(&self) -> anyhow::Result<()> {
        for path in self.paths() {
            std::fs::rename(partial(path), path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Takes away what is not complete.
    pub(super) fn discard(&self) {
        for path in self.paths() {
            // It may not have been begun; and the error that led here matters more.
            let _ = std::fs::remove_file(partial(path));
        }
    }

    /// Takes away what an earlier run left of files that this one did not write.
    pub(super) fn forget_leftovers(&self) {
        let folder = self.job.mask.parent().unwrap_or(Path::new(""));
        for path in names::all(folder, &self.job.stem) {
            // There is none but after a run that was killed.
            let _ = std::fs::remove_file(partial(&path));
        }
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.job.mask).chain(&self.job.polygons).chain(&self.job.prob)
    }

    fn raster(&self, nodata: String) -> GeoTiff {
        GeoTiff {
            width: self.width,
            height: self.height,
            georeference: self.job.georeference.clone(),
            nodata: self.nodata.then_some(nodata),
        }
    }
}

impl Writers<'_> {
    /// Hands finished rows on: the probability that is told of each pixel, the class that was found, and whether it has no data.
    pub(super) fn send(&mut self, probabilities: Cow<'_, [f32]>, found: &[u8], blank: &[bool]) -> anyhow::Result<()> {
        if self.classes == 1 {
            let rows = self.layer(1, &probabilities, found, blank);
            let rows = match &mut self.sieve {
                Some(sieve) => rows.into_iter().flat_map(|row| sieve.push(row)).collect(),
                None => rows,
            };
            self.send_runs(rows)?;
        } else {
            self.send_classes(&probabilities, found, blank)?;
        }
        let Some(writer) = &mut self.probability else { return Ok(()) };
        let pixels = probabilities.iter().zip(blank);
        writer.send(pixels.map(|(&value, &blank)| if blank { f32::NAN } else { value }))
    }

    /// Rows with what is of a class marked.
    fn layer(&self, marked: u8, probabilities: &[f32], found: &[u8], blank: &[bool]) -> Vec<Vec<Run>> {
        let class = |(&found, &blank): (&u8, &bool)| match blank {
            true => Class::NoData,
            false if found == marked => Class::Marked,
            false => Class::Background,
        };
        let pixels: Vec<(Class, f32)> = found.iter().zip(blank).map(class).zip(probabilities.iter().copied()).collect();
        pixels.chunks(self.width).map(|row| runs(row.iter().copied())).collect()
    }

    /// Rows of several classes as they are; for the polygons, each row class by class.
    fn send_classes(&mut self, probabilities: &[f32], found: &[u8], blank: &[bool]) -> anyhow::Result<()> {
        for (&class, _) in found.iter().zip(blank).filter(|(_, blank)| !**blank) {
            self.tally.pixels[usize::from(class)] += 1;
        }
        let coding = Coding::Classes;
        let value = |(&class, &blank): (&u8, &bool)| if blank { coding.nodata() } else { coding.value(class) };
        self.mask.send(found.iter().zip(blank).map(value))?;
        if self.polygons.is_none() {
            return Ok(());
        }
        let mut layers: Vec<_> =
            (0..self.classes).map(|class| self.layer(class as u8, probabilities, found, blank).into_iter()).collect();
        let rows = found.len() / self.width;
        let rows: Vec<Vec<Run>> =
            (0..rows).flat_map(|_| layers.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect();
        self.polygons.as_mut().map_or(Ok(()), |polygons| polygons.send(rows))
    }

    /// Waits until everything is on disk; what it holds, or what went wrong there.
    pub(super) fn finish(mut self) -> anyhow::Result<Tally> {
        let held_back = self.sieve.take().map_or_else(Vec::new, Sieve::finish);
        // A writer that failed says why below.
        let sent = self.send_runs(held_back);
        let mask = self.mask.finish();
        let polygons = self.polygons.map(Writer::finish).transpose();
        let probability = self.probability.map_or(Ok(()), Writer::finish);
        mask.and(probability)?;
        let tally = Tally { objects: polygons?, ..self.tally };
        sent.map(|()| tally)
    }

    fn send_runs(&mut self, rows: Vec<Vec<Run>>) -> anyhow::Result<()> {
        for run in rows.iter().flatten().filter(|run| run.class != Class::NoData) {
            self.tally.pixels[usize::from(run.class == Class::Marked)] += u64::from(run.end - run.start);
        }
        let pixels = rows.iter().flatten().map(|run| (value(run.class), (run.end - run.start) as usize));
        self.mask.send(pixels.flat_map(|(value, count)| std::iter::repeat_n(value, count)))?;
        self.polygons.as_mut().map_or(Ok(()), |polygons| polygons.send(rows))
    }
}

/// What stands for a class in a mask of one.
fn value(class: Class) -> u8 {
    match class {
        Class::NoData => Coding::Mask.nodata(),
        Class::Marked => Coding::Mask.value(1),
        Class::Background => Coding::Mask.value(0),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::mask_file;

    #[test]
    fn masks_are_what_their_names_say() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-formats-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // That of a giant picture is a TIFF without a georeference.
        for (format, magic) in [(Format::Png, &b"\x89PNG"[..]), (Format::GeoTiff, b"II*\0")] {
            let job = Job {
                stem: "town".into(),
                images: vec![folder.join("town.png")],
                georeference: None,
                mask: folder.join(mask_file::name("town", format)),
                format,
                prob: None,
                polygons: None,
                overlay: None,
                label: None,
                journal: folder.join("town_unfinished"),
            };
            let outputs = Outputs::new(&job, 1, (2, 3), false);
            let tally = std::thread::scope(|scope| {
                let mut writers = outputs.start(scope, None);
                writers.send(Cow::Owned(vec![0.9; 6]), &[1, 0, 0, 1, 1, 0], &[false; 6]).unwrap();
                writers.finish().unwrap()
            });
            assert_eq!(tally.pixels, [3, 3]);
            outputs.publish().unwrap();
            assert!(std::fs::read(&job.mask).unwrap().starts_with(magic), "{}", job.mask.display());
            let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.iter().all(|name| !Path::new(name).to_string_lossy().ends_with(".part")), "{left:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
