//! `predict`: masks, probabilities and overlays of images of any size.

mod index;
mod map;
mod outputs;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn_rsmamba::Task;
use burn_rsmamba_datasets::{GeoReference, RasterFile, list_images};
use serde::Serialize;

use super::windows;
use crate::cli::PredictArgs;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::print_json;
use crate::training::evaluate::Mapper;
use crate::{device, model_file};

/// One place to map: an image a date, where it lies, and what is written.
struct Job {
    images: Vec<PathBuf>,
    georeference: Option<GeoReference>,
    mask: PathBuf,
    prob: Option<PathBuf>,
    polygons: Option<PathBuf>,
    overlay: Option<PathBuf>,
}

/// A line on stdout.
#[derive(Serialize)]
struct Report<'a> {
    image: &'a Path,
    mask: &'a Path,
    width: usize,
    height: usize,
    /// The share of the pixels that are marked.
    marked: f64,
    /// Polygons, where they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
}

/// Maps every image; one that cannot be mapped does not stop the others.
pub(super) fn run(args: &PredictArgs, progress: &mut Progress) -> Outcome {
    let device = device::named(&args.device)?;
    let (model, meta) = model_file::load(&args.model, &device)?;
    let jobs = jobs(args, model.task())?;
    let index = args.html.then(|| index::path(args)).transpose()?;
    let windows = windows(args.windows, &meta, meta.crop / 4)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}; choose another --out", args.out.display()))?;
    let mapper = Mapper {
        model: &model,
        meta: &meta,
        windows,
        threshold: args.threshold.unwrap_or(meta.threshold),
        device: &device,
    };
    let mut failed = Vec::new();
    progress.start("mapping", jobs.len());
    for job in &jobs {
        match map::map(job, &mapper, args) {
            Ok(report) => print_json(&report)?,
            Err(failure) if jobs.len() == 1 => return Err(failure),
            Err(failure) => {
                progress.warn(format!("left out: {failure}"));
                failed.push((job, failure.to_string()));
            }
        }
        progress.advance("");
    }
    progress.finish();
    if let Some(path) = index {
        index::write(&path, &jobs, &failed, &mapper, args)?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let reasons: Vec<&str> = failed.iter().map(|(_, reason)| reason.as_str()).collect();
    Err(Failure::run(format!("{} of {} images could not be mapped: {}", failed.len(), jobs.len(), reasons.join("; "))))
}

/// What there is to do, checked against what is there already.
fn jobs(args: &PredictArgs, task: Task) -> Result<Vec<Job>, Failure> {
    let first = list_images(&args.input)?;
    let images: Vec<Vec<PathBuf>> = match (task, &args.input2) {
        (Task::Ss, None) => first.into_iter().map(|image| vec![image]).collect(),
        (Task::Cd, Some(second)) => pairs(args, first, list_images(second)?)?,
        (Task::Ss, Some(_)) => {
            return Err(Failure::usage(format!(
                "--input2 is for change detection, but {} is a model of task ss; leave it out",
                args.model.display()
            )));
        }
        (Task::Cd, None) => {
            return Err(Failure::usage(format!(
                "{} is a model of task cd: give the second date with --input2",
                args.model.display()
            )));
        }
    };
    let mut taken = BTreeSet::new();
    let mut jobs = Vec::with_capacity(images.len());
    for images in images {
        let stem = stem(&images[0]);
        let output = |kind: &str| args.out.join(format!("{stem}_{kind}"));
        let georeference = georeference(&images);
        let job = Job {
            mask: output(if georeference.is_some() { "mask.tif" } else { "mask.png" }),
            prob: args.prob.then(|| output("prob.tif")),
            polygons: args.polygons.then(|| output("polygons.geojson")),
            overlay: args.overlay.then(|| output("overlay.png")),
            images,
            georeference,
        };
        if !taken.insert(stem) {
            return Err(Failure::run(format!(
                "{} and another image would both be written to {}; rename one of them",
                job.images[0].display(),
                job.mask.display()
            )));
        }
        let outputs = [Some(&job.mask), job.prob.as_ref(), job.polygons.as_ref(), job.overlay.as_ref()];
        if let Some(existing) = outputs.into_iter().flatten().find(|path| path.exists() && !args.force) {
            return Err(Failure::usage(format!(
                "{} exists already: overwrite it with --force, or name another --out",
                existing.display()
            )));
        }
        jobs.push(job);
    }
    Ok(jobs)
}

/// The georeference of the first date; a file that cannot be opened is reported when it is mapped.
fn georeference(images: &[PathBuf]) -> Option<GeoReference> {
    RasterFile::open(&images[0]).ok()?.georeference().cloned()
}

/// Each image of the first date with that of the same name of the second.
fn pairs(args: &PredictArgs, first: Vec<PathBuf>, second: Vec<PathBuf>) -> Result<Vec<Vec<PathBuf>>, Failure> {
    let folder = args.input2.as_deref().unwrap_or(&args.input);
    match (args.input.is_dir(), folder.is_dir()) {
        (false, false) => return Ok(vec![first.into_iter().chain(second).collect()]),
        (true, true) => {}
        _ => return Err(Failure::usage("--input and --input2 must both be images, or both be folders")),
    }
    let mut by_stem: BTreeMap<String, PathBuf> = second.into_iter().map(|path| (stem(&path), path)).collect();
    let mut pairs = Vec::with_capacity(first.len());
    for image in first {
        let Some(partner) = by_stem.remove(&stem(&image)) else {
            return Err(Failure::run(format!(
                "{} has no image of the same name in {}; add it, or take the first one away",
                image.display(),
                folder.display()
            )));
        };
        pairs.push(vec![image, partner]);
    }
    if let Some(image) = by_stem.values().next() {
        return Err(Failure::run(format!(
            "{} has no image of the same name in {}; add it, or take the second one away",
            image.display(),
            args.input.display()
        )));
    }
    Ok(pairs)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
