//! The files of one place: small objects are taken away, then each file is written by a thread of its own.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::thread::Scope;

use anyhow::Context;
use burn_rsmamba::vector::{Class, Run, Sieve, runs};
use burn_rsmamba_datasets::GeoTiff;

use super::Job;
use super::writer::{Writer, partial, write_geotiff, write_polygons};
use crate::mask_file::{BACKGROUND, MARKED, NODATA};
use crate::pictures;

/// The outputs of a job.
pub(super) struct Outputs<'a> {
    job: &'a Job,
    width: usize,
    height: usize,
    nodata: bool,
}

/// The threads that write.
pub(super) struct Writers<'scope> {
    width: usize,
    sieve: Option<Sieve>,
    mask: Writer<'scope, u8>,
    polygons: Option<Writer<'scope, Vec<Run>, u64>>,
    probability: Option<Writer<'scope, f32>>,
    tally: Tally,
}

/// What is in the mask.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Pixels with data.
    mapped: u64,
    /// Pixels that are marked.
    marked: u64,
    /// Polygons, where they are written.
    pub(super) objects: Option<u64>,
}

impl Tally {
    /// The share of the pixels that are marked.
    pub(super) fn share(&self) -> f64 {
        if self.mapped == 0 { 0.0 } else { self.marked as f64 / self.mapped as f64 }
    }
}

impl<'a> Outputs<'a> {
    pub(super) fn new(job: &'a Job, width: usize, height: usize, nodata: bool) -> Self {
        Self { job, width, height, nodata }
    }

    /// Starts a thread a file.
    pub(super) fn start<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        sieve: Option<Sieve>,
    ) -> Writers<'scope> {
        let mask = partial(&self.job.mask);
        let mask = if self.job.georeference.is_some() {
            let raster = self.raster(NODATA.to_string());
            Writer::spawn(scope, move |rows| write_geotiff(&mask, &raster, rows))
        } else {
            let size = (self.width, self.height);
            // Rows are missing where mapping failed, which is reported.
            Writer::spawn(scope, move |rows: Receiver<Vec<u8>>| pictures::write_mask(&mask, size, rows.into_iter()))
        };
        let polygons = self.job.polygons.as_deref().map(|path| {
            let path = partial(path);
            Writer::spawn(scope, move |rows| write_polygons(&path, self.job.georeference.as_ref(), rows))
        });
        let probability = self.job.prob.as_deref().map(|path| {
            let (path, raster) = (partial(path), self.raster("nan".to_owned()));
            Writer::spawn(scope, move |rows| write_geotiff(&path, &raster, rows))
        });
        Writers { width: self.width, sieve, mask, polygons, probability, tally: Tally::default() }
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
    /// Hands finished rows on.
    pub(super) fn send(&mut self, probabilities: &[f32], marked: &[bool], blank: &[bool]) -> anyhow::Result<()> {
        let classes: Vec<Class> = marked.iter().zip(blank).map(|(&marked, &blank)| class(marked, blank)).collect();
        let rows = classes.chunks(self.width).zip(probabilities.chunks(self.width));
        let rows = rows.map(|(classes, values)| runs(classes.iter().copied().zip(values.iter().copied())));
        let rows = match &mut self.sieve {
            Some(sieve) => rows.flat_map(|row| sieve.push(row)).collect(),
            None => rows.collect(),
        };
        self.send_runs(rows)?;
        let Some(writer) = &mut self.probability else { return Ok(()) };
        let pixels = probabilities.iter().zip(blank);
        writer.send(pixels.map(|(&value, &blank)| if blank { f32::NAN } else { value }))
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
        for run in rows.iter().flatten() {
            let pixels = u64::from(run.end - run.start);
            self.tally.mapped += if run.class == Class::NoData { 0 } else { pixels };
            self.tally.marked += if run.class == Class::Marked { pixels } else { 0 };
        }
        let pixels = rows.iter().flatten().map(|run| (value(run.class), (run.end - run.start) as usize));
        self.mask.send(pixels.flat_map(|(value, count)| std::iter::repeat_n(value, count)))?;
        self.polygons.as_mut().map_or(Ok(()), |polygons| polygons.send(rows))
    }
}

fn class(marked: bool, blank: bool) -> Class {
    match (blank, marked) {
        (true, _) => Class::NoData,
        (false, true) => Class::Marked,
        (false, false) => Class::Background,
    }
}

/// What stands for a class in a mask.
fn value(class: Class) -> u8 {
    match class {
        Class::NoData => NODATA,
        Class::Marked => MARKED,
        Class::Background => BACKGROUND,
    }
}
