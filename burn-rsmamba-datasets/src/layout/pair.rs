//! Bringing the files of one scene together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::list;
use crate::{DatasetError, DatasetWarning, LabelRule, Names, Scene, SceneOrigin, Unpaired};

/// The scenes of a split, sorted by name, and what a user should know of them.
pub(super) struct Gathered {
    pub(super) scenes: Vec<Scene>,
    pub(super) warnings: Vec<DatasetWarning>,
}

/// The files of one folder by name without extension.
struct Place {
    folder: PathBuf,
    what: &'static str,
    files: BTreeMap<String, PathBuf>,
}

/// Pairs the files of folders by name without extension: those that a list names, or all.
pub(super) fn pair(
    images: &[PathBuf],
    label: &Path,
    list: Option<&Path>,
    allow_unpaired: bool,
) -> Result<Gathered, DatasetError> {
    let mut warnings = Vec::new();
    let folders = images.iter().map(|folder| (folder.as_path(), "image")).chain([(label, "label")]);
    let places = folders.map(|(path, what)| {
        let folder = Folder::read(path)?;
        let names = folder.strangers();
        if !names.0.is_empty() {
            warnings.push(DatasetWarning::Ignored { folder: path.into(), names });
        }
        Ok(Place { folder: path.into(), what, files: folder.images()? })
    });
    let places = places.collect::<Result<Vec<_>, DatasetError>>()?;

    let wanted: BTreeSet<String> = match list {
        Some(list) => listed(list, &places)?,
        None => places.iter().flat_map(|place| place.files.keys().cloned()).collect(),
    };
    let unpaired: Vec<Unpaired> = places.iter().filter_map(|place| place.lacks(&wanted)).collect();
    let scenes = wanted.iter().filter_map(|name| {
        let paths = places.iter().map(|place| place.files.get(name).cloned());
        let mut images = paths.collect::<Option<Vec<PathBuf>>>()?;
        let label = images.pop();
        let source = SceneOrigin::Files { images, label, rule: LabelRule::Auto, region: None };
        Some(Scene { name: name.clone(), source })
    });
    let scenes: Vec<Scene> = scenes.collect();
    if scenes.is_empty() || !(allow_unpaired || unpaired.is_empty()) {
        return Err(DatasetError::Unpaired(unpaired));
    }
    warnings.extend(unpaired.into_iter().map(DatasetWarning::Unpaired));
    Ok(Gathered { scenes, warnings })
}

/// The names of a list, without the extensions that it may give them.
fn listed(list: &Path, places: &[Place]) -> Result<BTreeSet<String>, DatasetError> {
    let known = |name: &str| places.iter().any(|place| place.files.contains_key(name));
    let name = |line: list::Line| {
        let path = line.fields.into_iter().next().unwrap_or_default();
        let file = path.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
        if known(file) { file.to_owned() } else { stem.into_owned() }
    };
    Ok(list::read(list)?.into_iter().map(name).collect())
}

impl Place {
    /// What of the wanted names is not here.
    fn lacks(&self, wanted: &BTreeSet<String>) -> Option<Unpaired> {
        let names: Names = wanted.iter().filter(|name| !self.files.contains_key(*name)).collect();
        (!names.0.is_empty()).then(|| Unpaired { place: self.folder.clone(), what: self.what, names })
    }
}
