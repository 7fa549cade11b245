//! `index.html`: one self-contained page about all scenes of a run.

use std::path::{Path, PathBuf};

use anyhow::Context;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Job, names};
use crate::aside::write_with;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::html::{data_address, page};
use crate::mapping::Mapper;
use crate::mask_file::Coding;
use crate::pictures::{self, palette, quicklook};
use crate::scores::Scores;

/// The longest side of a picture on the page.
const SIDE: usize = 384;
const JPEG_QUALITY: u8 = 85;

/// Where the page goes, unless one is there already; one of a resumed run is written anew.
pub(super) fn path(args: &PredictArgs) -> Result<PathBuf, Failure> {
    let path = args.out.join(names::PAGE);
    if path.exists() && !args.force && !args.resume {
        return Err(Failure::usage(format!(
            "{} exists already: overwrite it with --force, or name another --out",
            path.display()
        )));
    }
    Ok(path)
}

/// Writes the page about these places, of which some failed for a reason.
///
/// Pictures are read back from the files, row by row, and stand in the page itself.
pub(super) fn write(
    path: &Path,
    jobs: &[Job],
    failed: &[(&Job, String)],
    mapper: &Mapper<'_>,
    args: &PredictArgs,
) -> anyhow::Result<()> {
    let mapped = jobs.iter().filter(|job| !failed.iter().any(|(other, _)| std::ptr::eq(*job, *other)));
    // One that cannot be drawn must not take the others with it.
    let drawn = |job: &Job| {
        place(job, mapper, args).unwrap_or_else(|error| {
            html! {
                article {
                    h2 { (name(&job.images[0])) }
                    p.failed { "Mapped, but not shown: " (format!("{error:#}")) }
                }
            }
        })
    };
    let places: Vec<Markup> = mapped.map(drawn).collect();
    let title = format!("{} of {} scenes mapped", places.len(), jobs.len());
    let body = html! {
        table {
            tr { th { "Model" } td { (args.model.display()) } }
            tr { th { "Task" } td { (mapper.model.task()) } }
            @if mapper.model.classes() == 1 {
                tr { th { "Threshold" } td { (mapper.threshold) } }
            }
            tr { th { "Arithmetic" } td { (args.precision) } }
        }
        @for place in &places { (place) }
        @for (job, reason) in failed {
            article {
                h2 { (name(&job.images[0])) }
                p.failed { "Left out: " (reason) }
            }
        }
    };
    let page = page(&title, include_str!("index.css"), &body);
    write_with(path, |aside| {
        std::fs::write(aside, page.into_string()).with_context(|| format!("cannot write {}", path.display()))
    })
}

/// Pictures and figures of a place that is mapped.
fn place(job: &Job, mapper: &Mapper<'_>, args: &PredictArgs) -> anyhow::Result<Markup> {
    let classes = mapper.model.classes();
    let mask = quicklook::mask(&job.mask, Coding::of(classes), SIDE)?;
    let percent =
        |pixels: u64| format!("{:.2} %, {pixels} pixels", 100.0 * pixels as f64 / mask.mapped().max(1) as f64);
    let mut pictures = Vec::new();
    for (date, image) in (1..).zip(&job.images) {
        let name = if job.images.len() == 1 { name(image) } else { format!("Date {date}: {}", name(image)) };
        pictures.push((name, embedded(&quicklook::image(image, SIDE)?)?));
    }
    pictures.push((name(&job.mask), embedded(&pictures::overlay(job.background(args), &mask, SIDE)?)?));
    let mut scores = None;
    if let Some(label) = &job.label {
        let (counts, picture) = label.compare(&job.mask, SIDE)?;
        pictures.push((name(&label.errors), embedded(&picture)?));
        scores = Some(counts.scores());
    }
    Ok(html! {
        article {
            h2 { (name(&job.images[0])) }
            .pictures {
                @for (name, picture) in &pictures {
                    figure { img src=(picture) alt=(name); figcaption { (name) } }
                }
            }
            table {
                tr { th { "Size" } td { (mask.width) " × " (mask.height) " pixels" } }
                @if classes == 1 {
                    tr { th { "Marked" } td { (percent(mask.marked())) } }
                } @else {
                    @for (class, &pixels) in mask.classes.iter().enumerate().take(classes) {
                        tr { th { "Class " (class) " " span style=(swatch(class as u8)) {} } td { (percent(pixels)) } }
                    }
                }
                @if let Some(place) = job.georeference.as_ref().filter(|place| !place.is_geographic()) {
                    tr { th { "Area" } td { (format!("{:.1}", mask.marked() as f64 * place.pixel_area())) " square units" } }
                }
                @if let Some(place) = &job.georeference {
                    tr {
                        th { "Reference system" }
                        td { @match place.epsg() { Some(code) => { "EPSG:" (code) } None => { "without an EPSG code" } } }
                    }
                }
                @if let Some(Scores { f1, iou, precision, recall, .. }) = &scores {
                    tr {
                        th { "Beside the label" }
                        td { (format!("F1 {f1:.4}, IoU {iou:.4}, precision {precision:.4}, recall {recall:.4}")) }
                    }
                }
                tr {
                    th { "Files" }
                    td { @for path in job.outputs() { a href=(link(path)) { (name(path)) } " " } }
                }
            }
        }
    })
}

/// A square in the colour of a class.
fn swatch(class: u8) -> String {
    let [red, green, blue] = palette::colour(class);
    format!("display:inline-block;width:1em;height:1em;background:rgb({red},{green},{blue})")
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A link to a file beside the page.
fn link(path: &Path) -> String {
    utf8_percent_encode(&name(path), NON_ALPHANUMERIC).to_string()
}

/// A picture, made small.
fn embedded(picture: &RgbImage) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    Ok(data_address("jpeg", &bytes))
}
