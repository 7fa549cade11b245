//! `predict`: masks, probabilities and overlays of images of any size.

mod budget;
mod index;
mod inputs;
mod journal;
mod labels;
mod map;
mod names;
mod outputs;
mod record;
mod source;
mod writer;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn_rsmamba::{ModelMeta, RsmModel, Task};
use burn_rsmamba_datasets::{GeoReference, LabelRule, RasterFile};
use serde::Serialize;

use self::inputs::stem;
use self::labels::Label;
use self::record::{Records, Settings, Standing};
use super::{refuse_for_several_classes, windows};
use crate::cli::PredictArgs;
use crate::config::label_rule_of;
use crate::error::{Failure, Outcome};
use crate::mapping::Mapper;
use crate::mask_file::{self, Format};
use crate::output::print_json;
use crate::progress::Progress;
use crate::scores::{Counts, Scored, Scores};
use crate::{device, interrupt, lock, model_file};

/// One place to map: an image a date, where it lies, and what is written.
struct Job {
    /// What the names of its outputs begin with.
    stem: String,
    images: Vec<PathBuf>,
    georeference: Option<GeoReference>,
    mask: PathBuf,
    format: Format,
    prob: Option<PathBuf>,
    polygons: Option<PathBuf>,
    overlay: Option<PathBuf>,
    label: Option<Label>,
    /// Where finished rows are kept meanwhile.
    journal: PathBuf,
}

impl Job {
    /// What is made of the images alone.
    fn maps(&self) -> impl Iterator<Item = &PathBuf> {
        [Some(&self.mask), self.prob.as_ref(), self.polygons.as_ref(), self.overlay.as_ref()].into_iter().flatten()
    }

    fn outputs(&self) -> impl Iterator<Item = &PathBuf> {
        self.maps().chain(self.label.as_ref().map(|label| &label.errors))
    }

    /// A file of this place that is there already, whatever it was asked for.
    fn existing(&self) -> Option<PathBuf> {
        let folder = self.mask.parent().unwrap_or(Path::new(""));
        names::all(folder, &self.stem).find(|path| path.exists())
    }

    /// The image that shows what was mapped: the latest that is on the grid of the mask.
    fn background(&self, args: &PredictArgs) -> &Path {
        let last = if args.align.is_some() { 0 } else { self.images.len() - 1 };
        &self.images[last]
    }
}

/// A line on stdout.
#[derive(Serialize)]
struct Report<'a> {
    image: Cow<'a, str>,
    mask: Cow<'a, str>,
    width: usize,
    height: usize,
    /// The share of the pixels that are marked: of several classes, those that are not of class 0.
    marked: f64,
    /// The share of each of several classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<f64>>,
    /// Polygons, where they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    /// Of the mask, where there is a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Scored>,
}

/// Maps every image; one that cannot be mapped does not stop the others.
pub(super) fn run(args: &PredictArgs, progress: &mut Progress) -> Outcome {
    let device = device::named(&args.device)?;
    device::expect_precision(&device, &args.device, args.precision)?;
    let (model, meta) = model_file::load(&args.model, &device)?;
    let model = model.in_precision(args.precision);
    let classes = meta.config.classes;
    if classes > 1 {
        refuse_for_several_classes(&args.model, args.threshold, args.objects)?;
    }
    if meta.downsample.get() > 1 {
        progress.warn(format!(
            "{} was trained on images made {} times smaller: give it images of that resolution",
            args.model.display(),
            meta.downsample
        ));
    }
    let jobs = jobs(args, &model, &meta, progress)?;
    let index = args.html.then(|| index::path(args)).transpose()?;
    let windows = windows(args.windows, meta.windows())?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}; choose another --out", args.out.display()))?;
    let mut mapper = Mapper {
        model: &model,
        meta: &meta,
        windows,
        augmented: args.windows.tta,
        threshold: args.threshold.unwrap_or(meta.threshold),
        // Objects are looked at as rows are written.
        sieve: None,
        device: &device,
    };
    let _lock = lock::folder(&args.out, "mapping to")?;
    let mut records = Records::read(&args.out);
    if !args.force && !args.resume {
        refuse_existing(&jobs, &records)?;
    }
    if let Some(most) = args.max_memory {
        // A run that goes on must not choose others because less is left to do, or less memory.
        mapper.windows = match records.chosen_windows(&jobs, args, &mapper).filter(|_| args.resume) {
            Some(windows) => windows,
            None => budget::windows(most, &jobs, &mapper, args)?,
        };
    }
    progress.info(match classes {
        1 => format!("{}, threshold {}", mapper.windows, mapper.threshold),
        _ => format!("{}, the likeliest of {classes} classes", mapper.windows),
    });
    let settings = Settings::of(args, &mapper)?;
    let mut to_map: Vec<&Job> = Vec::with_capacity(jobs.len());
    for job in &jobs {
        if !args.resume || records.standing(job, &settings)? == Standing::Open {
            to_map.push(job);
        }
    }
    if to_map.len() < jobs.len() {
        progress.info(format!("{} of {} are mapped already", jobs.len() - to_map.len(), jobs.len()));
    }
    records.begin(&to_map, &mapper, &settings)?;
    if !args.resume {
        // Rows of a run that this one replaces would stand in the way of its own `--resume`.
        to_map.iter().try_for_each(|job| journal::forget(&job.journal))?;
    }
    interrupt::install()?;
    let (mut failed, mut counts) = (Vec::new(), Counts::new(classes));
    for (index, &job) in to_map.iter().enumerate() {
        let what = format!("mapping {} of {}, {}", index + 1, to_map.len(), job.images[0].display());
        let mapped = map::map(job, &mapper, args, &what, progress);
        progress.finish();
        match mapped {
            Ok(report) => {
                if let Some(scored) = &report.scores {
                    counts += &scored.counts;
                }
                records.finish(job)?;
                print_json(&report)?;
            }
            Err(failure) if jobs.len() == 1 || interrupt::requested() => return Err(failure),
            Err(failure) => {
                progress.warn(format!("left out: {failure}"));
                failed.push((job, failure.to_string()));
            }
        }
    }
    // Of those that were finished before, the files tell.
    for job in jobs.iter().filter(|job| !to_map.iter().any(|other| std::ptr::eq(*job, *other))) {
        match job.label.as_ref().map(|label| label.score(&job.mask)) {
            Some(Ok(of_job)) => counts += &of_job,
            Some(Err(error)) => {
                progress.warn(format!("not scored: {error:#}"));
                failed.push((job, format!("{error:#}")));
            }
            None => {}
        }
    }
    if counts.total() > 0 {
        let Scores { f1, iou, .. } = counts.scores();
        progress.info(format!("all images: F1 {f1:.4}, IoU {iou:.4} of {} pixels", counts.total()));
    }
    if let Some(path) = &index {
        index::write(path, &jobs, &failed, &mapper, args)?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let reasons: Vec<&str> = failed.iter().map(|(_, reason)| reason.as_str()).collect();
    Err(Failure::run(format!("{} of {} images could not be mapped: {}", failed.len(), jobs.len(), reasons.join("; "))))
}

/// What there is to do, checked against what is there already.
fn jobs(args: &PredictArgs, model: &RsmModel, meta: &ModelMeta, progress: &Progress) -> Result<Vec<Job>, Failure> {
    let rule = if args.labels.is_empty() {
        LabelRule::Auto
    } else {
        label_rule_of(&args.model, meta, args.label_rule.as_ref(), args.ignore_index)?
    };
    let first = inputs::list(&args.input, progress)?;
    let images: Vec<Vec<PathBuf>> = match (model.task(), &args.input2[..]) {
        (Task::Ss, []) => first.into_iter().map(|image| vec![image]).collect(),
        (Task::Cd, [_, ..]) => inputs::pairs(args, first, inputs::list(&args.input2, progress)?)?,
        (Task::Ss, _) => {
            return Err(Failure::usage(format!(
                "--input2 is for change detection, but {} is a model of task ss; leave it out",
                args.model.display()
            )));
        }
        (Task::Cd, []) => {
            return Err(Failure::usage(format!(
                "{} is a model of task cd: give the second date with --input2",
                args.model.display()
            )));
        }
    };
    let labels = inputs::labels(args, &images, progress)?;
    let mut taken = BTreeSet::new();
    let mut jobs = Vec::with_capacity(images.len());
    for (images, label) in images.into_iter().zip(labels) {
        let stem = stem(&images[0]);
        let output = |kind: &str| names::path(&args.out, &stem, kind);
        let georeference = georeference(&images);
        let as_tiff = georeference.is_some() || is_giant(&images[0]);
        let format = if as_tiff { Format::GeoTiff } else { Format::Png };
        let job = Job {
            mask: args.out.join(mask_file::name(&stem, format)),
            format,
            prob: args.prob.then(|| output(names::PROBABILITY)),
            polygons: args.polygons.then(|| output(names::POLYGONS)),
            overlay: args.overlay.then(|| output(names::OVERLAY)),
            label: label.map(|path| Label {
                path,
                rule: rule.clone(),
                classes: model.classes(),
                errors: args.out.join(mask_file::errors(&stem)),
            }),
            journal: output(names::UNFINISHED),
            images,
            georeference,
            stem: stem.clone(),
        };
        if !taken.insert(stem) {
            return Err(Failure::run(format!(
                "{} and another image would both be written to {}; rename one of them",
                job.images[0].display(),
                job.mask.display()
            )));
        }
        jobs.push(job);
    }
    refuse_inputs(&jobs)?;
    Ok(jobs)
}

/// What is read must not be written, by whatever name: a label would be scored against itself.
fn refuse_inputs(jobs: &[Job]) -> Outcome {
    let read =
        |job: &Job| job.images.iter().chain(job.label.as_ref().map(|label| &label.path)).cloned().collect::<Vec<_>>();
    let inputs: BTreeSet<PathBuf> = jobs.iter().flat_map(read).filter_map(|path| path.canonicalize().ok()).collect();
    let is_input = |path: &&PathBuf| path.canonicalize().is_ok_and(|path| inputs.contains(&path));
    match jobs.iter().flat_map(Job::outputs).find(is_input) {
        Some(path) => Err(Failure::usage(format!(
            "{} is to be read and would be written as well; name another --out",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Whether a mask of an image has more pixels than a PNG should: it can only be read back whole.
fn is_giant(image: &Path) -> bool {
    const MOST: u64 = 1 << 26;
    let size = image::image_dimensions(image).map(|(width, height)| u64::from(width) * u64::from(height));
    // What the `image` crate does not know is a TIFF, and opened without being decoded.
    let size = size.or_else(|_| RasterFile::open(image).map(|file| file.width() as u64 * file.height() as u64));
    size.is_ok_and(|pixels| pixels > MOST)
}

/// An interrupted run is told first: it may have finished other places.
fn refuse_existing(jobs: &[Job], records: &Records) -> Outcome {
    jobs.iter().try_for_each(|job| journal::refuse_leftover(&job.journal))?;
    let Some((job, existing)) = jobs.iter().find_map(|job| Some((job, job.existing()?))) else { return Ok(()) };
    // Of what nothing tells how it was made nothing can be gone on with.
    let resume = if records.knows(job) { " map only what is not there with --resume," } else { "" };
    Err(Failure::usage(format!(
        "{} exists already: overwrite it with --force,{resume} or name another --out",
        existing.display()
    )))
}

/// The georeference of the first date; a file that cannot be opened is reported when it is mapped.
fn georeference(images: &[PathBuf]) -> Option<GeoReference> {
    GeoReference::of_file(&images[0]).ok()?
}
