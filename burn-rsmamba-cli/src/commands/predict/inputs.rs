//! Which files make a place: what `--input`, `--input2` and `--labels` name, matched by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn_rsmamba_datasets::{has_image_extension, list_images};

use super::names;
use crate::cli::PredictArgs;
use crate::error::Failure;
use crate::progress::Progress;

/// The images of these files, folders and patterns, in order and once each; of folders and patterns without the maps that this program
/// wrote of others of them, which is told.
///
/// # Errors
///
/// A path that is not there, a folder without images, a pattern that nothing matches.
pub(super) fn list(paths: &[PathBuf], progress: &Progress) -> Result<Vec<PathBuf>, Failure> {
    let (mut images, mut named) = (Vec::new(), BTreeSet::new());
    for path in paths {
        match pattern(path) {
            None => images.extend(list_images(path)?),
            Some(pattern) => images.extend(matches(pattern)?),
        }
        if path.is_file() {
            named.insert(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    images.retain(|path| seen.insert(path.clone()));
    let places: BTreeSet<(Option<&Path>, String)> = images.iter().map(|path| (path.parent(), stem(path))).collect();
    let is_map = |path: &Path| names::place_of(path).is_some_and(|of| places.contains(&(path.parent(), of)));
    let (maps, images): (Vec<PathBuf>, Vec<PathBuf>) =
        images.iter().cloned().partition(|path| !named.contains(path) && is_map(path));
    if let [first, ..] = &maps[..] {
        progress.info(format!("{} maps beside their images are no images, as {}", maps.len(), first.display()));
    }
    Ok(images)
}

/// A pattern that the shell left to us, as those of Windows do.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists())
}

/// The images among the files that match; those of folders are all taken.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, Failure> {
    let refuse = |why: String| Failure::usage(format!("{pattern}: {why}; give files, folders or another pattern"));
    let hidden = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(pattern, hidden).map_err(|error| refuse(error.msg.into()))?;
    let found: Vec<PathBuf> = found.collect::<Result<_, _>>().map_err(|error| refuse(error.to_string()))?;
    if found.is_empty() {
        return Err(refuse("no file matches this pattern".into()));
    }
    let mut images = Vec::new();
    for path in found {
        if path.is_dir() {
            images.extend(list_images(&path)?);
        } else if has_image_extension(&path) {
            // Beside images lie world files, statistics and overviews.
            images.push(path);
        }
    }
    if images.is_empty() { Err(refuse("no image matches this pattern".into())) } else { Ok(images) }
}

/// Each image of the first date with that of the same name of the second.
///
/// # Errors
///
/// A usage error where one image stands against several; a run error where one has no partner.
pub(super) fn pairs(
    args: &PredictArgs,
    first: Vec<PathBuf>,
    second: Vec<PathBuf>,
) -> Result<Vec<Vec<PathBuf>>, Failure> {
    let is_image = |paths: &[PathBuf]| paths.len() == 1 && paths[0].is_file();
    match (is_image(&args.input), is_image(&args.input2)) {
        (true, true) => return Ok(vec![first.into_iter().chain(second).collect()]),
        (false, false) => {}
        _ => return Err(Failure::usage("--input and --input2 must both be one image, or both be several or folders")),
    }
    let mut by_stem = by_stem(second)?;
    let mut pairs = Vec::with_capacity(first.len());
    for image in first {
        let Some(partner) = by_stem.remove(&stem(&image)) else {
            return Err(Failure::run(format!(
                "{} has no image of the same name in {}; add it, or take the first one away",
                image.display(),
                spell(&args.input2)
            )));
        };
        pairs.push(vec![image, partner]);
    }
    if let Some(image) = by_stem.values().next() {
        return Err(Failure::run(format!(
            "{} has no image of the same name in {}; add it, or take the second one away",
            image.display(),
            spell(&args.input)
        )));
    }
    Ok(pairs)
}

/// The label of each place, where labels are given.
///
/// # Errors
///
/// A run error where a place has none.
pub(super) fn labels(
    args: &PredictArgs,
    images: &[Vec<PathBuf>],
    progress: &Progress,
) -> Result<Vec<Option<PathBuf>>, Failure> {
    if args.labels.is_empty() {
        return Ok(vec![None; images.len()]);
    }
    let labels = list(&args.labels, progress)?;
    if let ([_], [label]) = (images, &labels[..]) {
        return Ok(vec![Some(label.clone())]);
    }
    let mut by_stem = by_stem(labels)?;
    let label = |images: &Vec<PathBuf>| {
        by_stem.remove(&stem(&images[0])).map(Some).ok_or_else(|| {
            Failure::run(format!(
                "{} has no label of the same name in {}; add it, or leave --labels out",
                images[0].display(),
                spell(&args.labels)
            ))
        })
    };
    images.iter().map(label).collect()
}

/// Files by their names without extension.
fn by_stem(paths: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut by_stem = BTreeMap::new();
    for path in paths {
        if let Some(other) = by_stem.insert(stem(&path), path.clone()) {
            return Err(Failure::run(format!(
                "{} and {} have one name, so nothing tells which is meant; take one of them away",
                other.display(),
                path.display()
            )));
        }
    }
    Ok(by_stem)
}

fn spell(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The name of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
