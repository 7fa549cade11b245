//! One place mapped, whatever its size: windows are read ahead, rows are written as they are finished.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use burn_rsmamba::inference::{Area, SceneSize, map_scene};
use burn_rsmamba::vector::Sieve;
use burn_rsmamba_datasets::{Raster, RasterFile};

use super::outputs::Outputs;
use super::{Job, Report};
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::model_file;
use crate::pictures;
use crate::training::evaluate::Mapper;

/// Maps a place and writes what was asked for; files appear when they are complete.
pub(super) fn map<'a>(job: &'a Job, mapper: &Mapper<'_>, args: &PredictArgs) -> Result<Report<'a>, Failure> {
    let mut files: Vec<RasterFile> = job.images.iter().map(|path| RasterFile::open(path)).collect::<Result<_, _>>()?;
    check(&files, mapper, args)?;
    let (height, width) = (files[0].height(), files[0].width());
    let size = SceneSize { bands: files[0].bands(), height, width };
    let has_nodata = files.iter().any(|file| file.nodata().is_some());
    let nodata = Nodata::default();
    let read = |date: usize, area: Area| -> anyhow::Result<Vec<f32>> {
        let file: &mut RasterFile = &mut files[date];
        let raster = file.window(area.top, area.left, area.height, area.width)?;
        if let Some(value) = file.nodata() {
            nodata.note(&raster, value, area, width);
        }
        Ok(raster.to_chw_f32())
    };
    let outputs = Outputs::new(job, width, height, has_nodata);
    let sieve = sieve(job, args)?;
    let mapped_all = std::thread::scope(|scope| {
        let mut writers = outputs.start(scope, sieve);
        let write = |top: usize, rows: &[f32]| -> anyhow::Result<()> {
            let blank = nodata.take(top, rows.len() / width, width);
            let marked: Vec<bool> = rows.iter().map(|&value| value >= mapper.threshold).collect();
            writers.send(rows, &marked, &blank)
        };
        let normalisation = &mapper.meta.normalisation;
        let done = map_scene(mapper.model, size, normalisation, mapper.windows, mapper.device, read, write);
        // A writer that failed says why; that it went away is only what was noticed first.
        let tally = writers.finish()?;
        done.with_context(|| job.images[0].display().to_string())?;
        Ok(tally)
    });
    let tally = match mapped_all.and_then(|tally| outputs.publish().map(|()| tally)) {
        Ok(tally) => tally,
        Err(error) => {
            outputs.discard();
            return Err(error.into());
        }
    };
    if let Some(path) = &job.overlay {
        pictures::write_overlay(path, &job.images, &job.mask)?;
    }
    let (image, mask, marked, objects) = (&job.images[0], &job.mask, tally.share(), tally.objects);
    Ok(Report { image, mask, width, height, marked, objects })
}

/// What takes away objects that are too small, if anything.
fn sieve(job: &Job, args: &PredictArgs) -> Result<Option<Sieve>, Failure> {
    let Some(area) = args.min_area else { return Ok(None) };
    let least = area.pixels(job.georeference.as_ref()).ok_or_else(|| {
        Failure::run(format!("{} has no georeference; give --min-area in pixels", job.images[0].display()))
    })?;
    Ok(Some(Sieve::new(least, args.fill_holes)))
}

/// The images fit the model and each other.
fn check(files: &[RasterFile], mapper: &Mapper<'_>, args: &PredictArgs) -> Result<(), Failure> {
    let first = &files[0];
    for file in files {
        model_file::expect_bands(&args.model, mapper.meta, file.bands())
            .map_err(|failure| Failure::run(format!("{}: {failure}", file.path().display())))?;
        if (file.width(), file.height()) != (first.width(), first.height()) {
            return Err(Failure::run(format!(
                "{} is {}x{} pixels but {} is {}x{}; give both dates the same size",
                file.path().display(),
                file.width(),
                file.height(),
                first.path().display(),
                first.width(),
                first.height()
            )));
        }
        let grids = first.georeference().zip(file.georeference());
        if let Some(why) = grids.and_then(|(first, other)| first.difference(other)) {
            return Err(not_one_grid(first.path(), file.path(), &why));
        }
    }
    Ok(())
}

fn not_one_grid(first: &Path, second: &Path, why: &str) -> Failure {
    Failure::run(format!(
        "{} and {} do not lie on one grid: {why}; resample one onto the other, for instance with gdalwarp",
        first.display(),
        second.display()
    ))
}

/// Which pixels have no data, of rows that are read and not yet written.
#[derive(Default)]
struct Nodata {
    rows: Mutex<BTreeMap<usize, Vec<bool>>>,
}

impl Nodata {
    /// Notes pixels of an area all of whose bands have the value of no data.
    fn note(&self, raster: &Raster, value: f64, area: Area, width: usize) {
        let mut rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for row in 0..area.height {
            let blank = rows.entry(area.top + row).or_insert_with(|| vec![false; width]);
            for column in 0..area.width {
                // No date takes back what the other lacks.
                blank[area.left + column] |= raster.is_nodata(row, column, value);
            }
        }
    }

    /// Rows that are finished; pixels that nobody noted have data.
    fn take(&self, top: usize, count: usize, width: usize) -> Vec<bool> {
        let mut rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (top..top + count).flat_map(|row| rows.remove(&row).unwrap_or_else(|| vec![false; width])).collect()
    }
}
