//! `data compare`: two folders of predicted masks, the pairs that differ most first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use burn_rsmamba_datasets::{Names, Raster, RasterFile, list_images};
use rayon::prelude::*;
use serde::Serialize;

use crate::cli::CompareArgs;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::print_json;

/// Rows that are compared at a time.
const ROWS: usize = 256;
/// What `predict` calls its masks.
const MASK: &str = "_mask";

/// How two masks of one place differ.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    name: String,
    /// The part of the pixels that differ.
    share: f64,
    /// Pixels that differ.
    differ: u64,
    /// Pixels marked in the first alone.
    only_first: u64,
    /// Pixels marked in the second alone.
    only_second: u64,
    /// Marked in both, of those marked in any; 1 where nothing is marked.
    iou: f64,
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
        compare(name, first, second)
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
    let named = |name: &str| name.ends_with(MASK);
    let any = all.iter().any(|(name, _)| named(name));
    Ok(all.into_iter().filter(|(name, _)| !any || named(name)).collect())
}

fn compare(name: &str, first: &Path, second: &Path) -> anyhow::Result<Difference> {
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
    // By whether it is marked in the first, and in the second.
    let mut counts = [[0_u64; 2]; 2];
    for top in (0..height).step_by(ROWS) {
        let rows = ROWS.min(height - top);
        let (one, two) = (one.window(top, 0, rows, width)?, two.window(top, 0, rows, width)?);
        let marked = |raster: &Raster| -> Vec<bool> {
            raster.to_chw_f32()[..rows * width].iter().map(|&value| value >= 0.5).collect()
        };
        for (one, two) in marked(&one).into_iter().zip(marked(&two)) {
            counts[usize::from(one)][usize::from(two)] += 1;
        }
    }
    let [[neither, only_second], [only_first, both]] = counts;
    let (differ, pixels) = (only_first + only_second, neither + only_first + only_second + both);
    Ok(Difference {
        name: name.to_owned(),
        share: differ as f64 / pixels as f64,
        differ,
        only_first,
        only_second,
        iou: if differ + both == 0 { 1.0 } else { both as f64 / (differ + both) as f64 },
        pixels,
    })
}
