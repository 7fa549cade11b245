//! Bringing the files of one scene together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::template::Places;
use crate::{DatasetError, LabelRule, Names, Scene, SceneSet, SceneSource, Split};

type Files = BTreeMap<String, PathBuf>;

/// Pairs the files of a split by name without extension.
pub(super) fn pair(layout: &'static str, split: Split, places: &Places) -> Result<SceneSet, DatasetError> {
    let mut warnings = Vec::new();
    let mut files = |place: &Path| {
        let folder = Folder::read(place)?;
        let strangers = folder.strangers();
        if !strangers.0.is_empty() {
            warnings.push(format!("{}: ignored {strangers} (not a PNG, JPEG, BMP or TIFF name)", place.display()));
        }
        folder.images()
    };
    let dates = places.images.iter().map(|place| files(place)).collect::<Result<Vec<Files>, _>>()?;
    let labels = files(&places.label)?;

    if let ([first, second], [first_place, second_place]) = (&dates[..], &places.images[..]) {
        let missing = |lacks: &PathBuf, has: &PathBuf, stems| DatasetError::DateMissing {
            lacks: lacks.clone(),
            has: has.clone(),
            stems,
        };
        none_missing(second, first, |stems| missing(second_place, first_place, stems))?;
        none_missing(first, second, |stems| missing(first_place, second_place, stems))?;
    }
    let (images, labels_place) = (places.images[0].clone(), places.label.clone());
    none_missing(&labels, &dates[0], |stems| DatasetError::ImageWithoutLabel {
        images: images.clone(),
        labels: labels_place.clone(),
        stems,
    })?;
    none_missing(&dates[0], &labels, |stems| DatasetError::LabelWithoutImage { images, labels: labels_place, stems })?;

    let scenes = labels.into_iter().map(|(name, label)| {
        let images = dates.iter().map(|files| files[&name].clone()).collect();
        Scene { name, source: SceneSource::Files { images, label: Some(label), rule: LabelRule::Auto } }
    });
    Ok(SceneSet { layout, split, scenes: scenes.collect(), warnings })
}

/// All names of `wanted` are among `files`.
fn none_missing(files: &Files, wanted: &Files, error: impl FnOnce(Names) -> DatasetError) -> Result<(), DatasetError> {
    let missing: Names = wanted.keys().filter(|stem| !files.contains_key(*stem)).collect();
    if missing.0.is_empty() { Ok(()) } else { Err(error(missing)) }
}
