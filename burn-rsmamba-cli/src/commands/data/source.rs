//! The scenes that a tool works on: the splits of a dataset, or folders that are not split yet.

use std::path::{Path, PathBuf};

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{DatasetError, Dates, Scene, SceneOrigin, SceneSet, Split, open_folders};

use crate::cli::SourceArgs;
use crate::data;
use crate::error::Failure;
use crate::progress::Progress;

/// Scenes of one split, or of none.
pub(super) struct Part {
    /// The split, if the data is split.
    pub(super) split: Option<Split>,
    /// Its scenes.
    pub(super) set: SceneSet,
}

impl Part {
    /// What a report calls it.
    pub(super) fn name(&self) -> String {
        self.split.map_or_else(|| "all".into(), |split| split.to_string())
    }

    /// Where its files go below a folder.
    pub(super) fn folder(&self, out: &Path) -> PathBuf {
        self.split.map_or_else(|| out.into(), |split| out.join(split.to_string()))
    }
}

/// The folders of the images of each date, as the layouts that are read call them; labels are in `label`.
pub(super) fn image_folders(dates: Dates) -> &'static [&'static str] {
    match dates {
        Dates::One => &["image"],
        Dates::Two => &["A", "B"],
    }
}

/// The files of a scene and where copies of them go below a folder: its images, and its label where it has one.
///
/// Copies are named after the scene, whatever the files are called: that is how its dates and its label are found again.
///
/// # Errors
///
/// When the scene has no files of its own.
pub(super) fn copies(scene: &Scene) -> Result<Vec<(&Path, PathBuf)>, Failure> {
    let SceneOrigin::Files { images, label, region, .. } = &scene.source else {
        return Err(Failure::usage("the demo has no files; name a dataset folder"));
    };
    if region.is_some() {
        return Err(Failure::usage(format!(
            "{} is a part of an image that it shares with other splits; cut it with data tile first",
            scene.name
        )));
    }
    let dates = if images.len() == 1 { Dates::One } else { Dates::Two };
    let images = image_folders(dates).iter().copied().zip(images);
    let label = label.iter().map(|path| ("label", path));
    let named = |path: &Path| {
        let mut name = file_name(&scene.name);
        if let Some(extension) = path.extension() {
            name = format!("{name}.{}", extension.to_string_lossy());
        }
        name
    };
    Ok(images.chain(label).map(|(folder, path)| (path.as_path(), Path::new(folder).join(named(path)))).collect())
}

/// A name without what cannot stand in the name of a file on every system.
pub(super) fn file_name(name: &str) -> String {
    let unfit = |letter: char| letter.is_control() || r#"/\:*?"<>|"#.contains(letter);
    let name = name.replace(unfit, "_");
    // A name that begins with a dot is hidden, and none at all is no name.
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

/// All scenes; what the reader ought to know of them goes to `progress`.
///
/// # Errors
///
/// A usage error where neither form of a source is complete; what `open` finds wrong.
pub(super) fn parts(args: &SourceArgs, progress: &Progress) -> Result<Vec<Part>, Failure> {
    let allow = args.label.allow_unpaired;
    let mut parts = match (&args.data, args.task, &args.images, &args.labels) {
        (Some(data), Some(task), ..) => of_dataset(data, task, allow)?,
        (None, _, Some(images), Some(labels)) => vec![of_folders(images, args.images2.as_deref(), labels, allow)?],
        _ => {
            return Err(Failure::usage(
                "no data is named: give --data and --task, or --images and --labels (and --images2 for change detection)",
            ));
        }
    };
    for part in &mut parts {
        part.set.warnings.iter().for_each(|warning| progress.warn(warning.to_string()));
        part.set = part.set.clone().with_label_rule(&args.label.rule());
    }
    Ok(parts)
}

fn of_dataset(data: &str, task: Task, allow_unpaired: bool) -> Result<Vec<Part>, Failure> {
    let mut parts = Vec::new();
    let mut missing = None;
    for split in Split::ALL {
        match data::scenes(data, task, split, allow_unpaired) {
            Ok(set) => parts.push(Part { split: Some(split), set }),
            Err(error @ DatasetError::MissingSplit { .. }) => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if parts.is_empty() => Err(error.into()),
        _ => Ok(parts),
    }
}

fn of_folders(images: &Path, images2: Option<&Path>, labels: &Path, allow_unpaired: bool) -> Result<Part, Failure> {
    let images: Vec<PathBuf> = std::iter::once(images).chain(images2).map(Path::to_path_buf).collect();
    // They have no splits, and none is told.
    let set = open_folders(&images, labels, Split::Train, allow_unpaired)?;
    Ok(Part { split: None, set })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copies_are_file_names() {
        for (name, expected) in [("tile 1.5-é", "tile 1.5-é"), ("../a/b", "_.._a_b"), ("c:\\d\n", "c__d_"), ("", "_")]
        {
            assert_eq!(file_name(name), expected);
        }
    }
}
