//! `data compare`: two folders of predicted masks, the pairs that differ most first.
//!
//! Masks hold 0 and 255, or 0 and 1 as other programs write them, and 127 without data; other values are refused. With `--classes` they
//! hold the indices of classes, and 255 without data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use burn_rsmamba_datasets::{Names, Pixels, RasterFile, list_images};
use rayon::prelude::*;
use serde::Serialize;

use crate::cli::CompareArgs;
use crate::error::{Failure, Outcome};
use crate::mask_file::{Coding, SUFFIX, Values};
use crate::output::print_json;
use crate::progress::Progress;

/// Rows that are compared at a time.
const ROWS: usize = 256;

/// How two masks of one place differ.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Difference {
    name: String,
    /// The part of the pixels that differ, 0 where none has data.
    share: f64,
    /// Pixels that differ.
    differ: u64,
    /// Pixels marked in the first alone; of classes, those that are of class 0 in the second alone.
    only_first: u64,
    /// Pixels marked in the second alone.
    only_second: u64,
    /// Marked alike in both, of those marked in any; 1 where nothing is marked.
    iou: f64,
    /// Pixels with data in both; no others count.
    pixels: u64,
}

/// Prints a JSON line a pair.
pub(super) fn run(args: &CompareArgs, progress: &mut Progress) -> Outcome {
    let (first, second) = (masks(&args.first)?, masks(&args.second)?);
    let lacking = |of: &BTreeMap<String, PathBuf>, other: &BTreeMap<String, PathBuf>| -> Names {
        other.keys().filter(|name| !of.contains_key(*name)).cloned().collect()
    };
    for (lacks, folder) in [(lacking(&first, &second), &args.first), (lacking(&second, &first), &args.second)] {
        if !lacks.0.is_empty() {
            progress.warn(format!("{} has no {lacks}", folder.display()));
        }
    }
    let pairs: Vec<_> = first.iter().filter_map(|(name, path)| Some((name, path, second.get(name)?))).collect();
    if pairs.is_empty() {
        return Err(Failure::run(format!(
            "{} and {} have no file name in common; give two folders of predictions of the same images",
            args.first.display(),
            args.second.display()
        )));
    }
    progress.start("comparing", pairs.len());
    let found = pairs.par_iter().map(|(name, first, second)| {
        progress.advance(name.as_str());
        compare(name, first, second, args.classes)
    });
    let mut found = found.collect::<anyhow::Result<Vec<_>>>()?;
    progress.finish();
    found.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.name.cmp(&b.name)));
    found.iter().take(args.top.unwrap_or(usize::MAX)).try_for_each(print_json)?;
    Ok(())
}

/// The masks of a folder by name; all images where none is called a mask.
fn masks(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let all: Vec<(String, PathBuf)> = list_images(folder)?.into_iter().map(|path| (stem(&path), path)).collect();
    let named = |name: &str| name.ends_with(SUFFIX);
    let any = all.iter().any(|(name, _)| named(name));
    Ok(all.into_iter().filter(|(name, _)| !any || named(name)).collect())
}

fn compare(name: &str, first: &Path, second: &Path, classes: bool) -> anyhow::Result<Difference> {
    let (mut one, mut two) = (RasterFile::open(first)?, RasterFile::open(second)?);
    let (height, width) = (one.height(), one.width());
    if (height, width) != (two.height(), two.width()) {
        bail!(
            "{} is {width}x{height} pixels but {} is {}x{}; compare predictions of the same images",
            first.display(),
            second.display(),
            two.width(),
            two.height()
        );
    }
    let mut found = Difference { name: name.to_owned(), ..Difference::default() };
    let (mut alike, mut any) = (0_u64, 0_u64);
    let mut seen = [Values::default(), Values::default()];
    for top in (0..height).step_by(ROWS) {
        let rows = ROWS.min(height - top);
        let values = |file: &mut RasterFile, seen: &mut Values| {
            if classes { self::classes(file, top, rows) } else { marked(file, top, rows, seen) }
        };
        let (one, two) = (values(&mut one, &mut seen[0])?, values(&mut two, &mut seen[1])?);
        for pair in one.into_iter().zip(two) {
            let (Some(one), Some(two)) = pair else { continue };
            found.pixels += 1;
            found.differ += u64::from(one != two);
            found.only_first += u64::from(one > 0 && two == 0);
            found.only_second += u64::from(one == 0 && two > 0);
            any += u64::from(one > 0 || two > 0);
            alike += u64::from(one > 0 && one == two);
        }
    }
    found.share = found.differ as f64 / found.pixels.max(1) as f64;
    found.iou = if any == 0 { 1.0 } else { alike as f64 / any as f64 };
    Ok(found)
}

/// The class of each pixel of some rows; nothing where it has no data.
fn classes(file: &mut RasterFile, top: usize, rows: usize) -> anyhow::Result<Vec<Option<u8>>> {
    let raster = file.window(top, 0, rows, file.width())?;
    match raster.pixels {
        Pixels::U8(values) if raster.bands == 1 => {
            Ok(values.iter().map(|&value| Coding::Classes.class(value)).collect())
        }
        _ => bail!(
            "{} holds no classes: give one band of bytes, with 255 where there are no data",
            file.path().display()
        ),
    }
}

/// Of each pixel of some rows 1 where it is marked; nothing where it has no data.
fn marked(file: &mut RasterFile, top: usize, rows: usize, values: &mut Values) -> anyhow::Result<Vec<Option<u8>>> {
    let raster = file.window(top, 0, rows, file.width())?;
    let numbers: Vec<f32> = match raster.pixels {
        Pixels::U8(numbers) => numbers.into_iter().map(f32::from).collect(),
        Pixels::U16(numbers) => numbers.into_iter().map(f32::from).collect(),
        Pixels::F32(numbers) => numbers,
    };
    let marked = numbers.chunks_exact(raster.bands).map(|bands| Ok(values.is_marked(bands)?.map(u8::from)));
    marked.collect::<Result<_, String>>().map_err(|found| {
        anyhow!(
            "{} is no mask: it holds {found}; give masks of 0 and 255 or of 0 and 1, with 127 where there are no data, or say that \
             they hold --classes",
            file.path().display()
        )
    })
}
