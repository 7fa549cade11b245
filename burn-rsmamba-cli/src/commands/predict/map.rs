//! One place mapped, whatever its size: windows are read ahead, rows are written as they are finished.

use std::borrow::Cow;

use anyhow::Context;
use burn_rsmamba::inference::{SceneSource, Step};
use burn_rsmamba::vector::Sieve;
use burn_rsmamba_datasets::{DatasetError, GeoReference};

use super::journal::{Journal, NO_DATA, Origin, Stamp};
use super::outputs::Outputs;
use super::source::Source;
use super::{Job, Report};
use crate::cli::{MinArea, PredictArgs};
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::mask_file::Coding;
use crate::memory;
use crate::model_file;
use crate::pictures;
use crate::progress::Progress;
use crate::scores::Scored;
use crate::{exhausted, fault, interrupt};

/// Maps a place and writes what was asked for; files appear when they are complete.
pub(super) fn map<'a>(
    job: &'a Job,
    mapper: &Mapper<'_>,
    args: &PredictArgs,
    what: &str,
    progress: &mut Progress,
) -> Result<Report<'a>, Failure> {
    if let Some(label) = &job.label {
        label.check(job)?;
    }
    let source = Source::open(job, mapper, args, progress)?;
    let (height, width) = (source.size().height, source.size().width);
    let classes = mapper.model.classes();
    let outputs = Outputs::new(job, classes, (height, width), source.has_nodata());
    let sieve = sieve(job, args)?;
    let mut journal = Journal::new(&job.journal, origin(job, mapper, args)?);
    let mapped_all = std::thread::scope(|scope| {
        let mut writers = outputs.start(scope, sieve);
        // Rows as the journal holds them, `[classes, rows, width]`.
        let mut write = |_top: usize, rows: &[f32]| -> anyhow::Result<()> {
            let first = &rows[..rows.len() / classes];
            let blank: Vec<bool> = first.iter().map(|&value| value < 0.0).collect();
            writers.send(likeliest(rows, classes), &mapper.found(rows), &blank)
        };
        let run = || -> anyhow::Result<()> {
            let known = if args.resume { journal.resume(classes * width, &mut write)? } else { 0 };
            mapper.predictor().map_from(known, source, |step| match step {
                Step::Window { .. } if interrupt::requested() => {
                    anyhow::bail!("interrupted; finished rows are kept, go on with --resume")
                }
                Step::Window { done, count } => {
                    if done == 1 {
                        progress.start(what, count);
                    }
                    progress.advance("");
                    Ok(())
                }
                Step::Rows { top, values, nodata } => {
                    let rows: Vec<f32> = values
                        .iter()
                        .zip(nodata.iter().cycle())
                        .map(|(&value, &nodata)| if nodata { NO_DATA } else { value })
                        .collect();
                    // With the last rows the outputs are complete.
                    if top + nodata.len() / width < height {
                        journal.append(&rows)?;
                    }
                    write(top, &rows)
                }
            })
        };
        let done = exhausted::caught(run).and_then(|done| done);
        // A writer that failed says why; that it went away is only what was noticed first.
        let tally = writers.finish()?;
        done.with_context(|| job.images[0].display().to_string())?;
        Ok(tally)
    });
    let tally = match mapped_all.and_then(|tally| outputs.publish().map(|()| tally)) {
        Ok(tally) => tally,
        Err(error) => {
            outputs.discard();
            if error.downcast_ref().is_some_and(is_lasting) {
                journal.remove();
            }
            return Err(error.into());
        }
    };
    // Pictures are made in the place of what mapping took, not beside it.
    memory::give_back_freed_memory();
    if let Some(path) = &job.overlay {
        pictures::write_overlay(path, job.background(args), &job.mask, Coding::of(classes))?;
    }
    let scores = job.label.as_ref().map(|label| label.score(&job.mask)).transpose()?.map(Scored::from);
    fault::point();
    // As long as it is there, `--resume` makes what is missing.
    journal.remove();
    outputs.forget_leftovers();
    let [image, mask] = [&job.images[0], &job.mask].map(|path| path.to_string_lossy());
    let (marked, objects) = (tally.marked(), tally.objects);
    let classes = (classes > 1).then(|| tally.shares());
    Ok(Report { image, mask, width, height, marked, classes, objects, scores })
}

/// The probability that is told of each pixel, from those of all classes `[classes, pixels]`: the largest.
fn likeliest(rows: &[f32], classes: usize) -> Cow<'_, [f32]> {
    if classes == 1 {
        return Cow::Borrowed(rows);
    }
    let (first, others) = rows.split_at(rows.len() / classes);
    let mut largest = first.to_vec();
    for class in others.chunks_exact(first.len()) {
        largest.iter_mut().zip(class).for_each(|(largest, &value)| *largest = largest.max(value));
    }
    Cow::Owned(largest)
}

/// Whether a file will not be readable next time either; what a network or a disk did may pass, and finished rows are dear.
fn is_lasting(error: &DatasetError) -> bool {
    matches!(
        error,
        DatasetError::NotAnImage { .. }
            | DatasetError::Damaged { .. }
            | DatasetError::Unsupported { .. }
            | DatasetError::Compression { .. }
    )
}

/// What takes away objects that are too small, if anything.
fn sieve(job: &Job, args: &PredictArgs) -> Result<Option<Sieve>, Failure> {
    let Some(area) = args.objects.min_area else { return Ok(None) };
    if matches!(area, MinArea::Units(_)) && job.georeference.as_ref().is_some_and(GeoReference::is_geographic) {
        return Err(Failure::run(format!(
            "the coordinates of {} are degrees, so square units say nothing of an area; give --min-area in pixels",
            job.images[0].display()
        )));
    }
    let least = area.pixels(job.georeference.as_ref()).ok_or_else(|| {
        Failure::run(format!("{} has no georeference; give --min-area in pixels", job.images[0].display()))
    })?;
    Ok(Some(Sieve::new(least, args.objects.fill_holes)))
}

/// All that the probabilities of a place depend on.
fn origin(job: &Job, mapper: &Mapper<'_>, args: &PredictArgs) -> Result<Origin, Failure> {
    Ok(Origin {
        program: env!("CARGO_PKG_VERSION").into(),
        model: Stamp::of(&model_file::find(&args.model)?)?,
        images: job.images.iter().map(|path| Stamp::of(path)).collect::<anyhow::Result<_>>()?,
        windows: mapper.windows,
        tta: mapper.augmented,
        align: args.align.map(|how| how.to_string()),
        device: args.device.clone(),
        precision: args.precision,
    })
}
