//! Layouts as data: where each kind of file lies, as paths with blanks.

use std::path::{Path, PathBuf};

use super::counts::Counts;
use super::folder::Folder;
use super::list;
use crate::{DatasetError, Dates, Split};

/// Where a dataset keeps its files.
///
/// A place is a path below the dataset folder; `{split}` stands for the split under any of its usual names, and `|`
/// separates spellings of a step, the most usual one first. An empty spelling makes a step optional. Letters match in any
/// case.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The name a message gives it.
    pub(super) name: &'static str,
    /// All places, as a message shows them.
    pub(super) shape: &'static str,
    /// How many images make a scene.
    pub(super) dates: Dates,
    /// The place of each date's images.
    pub(super) images: &'static [&'static str],
    /// The place of the labels.
    pub(super) label: &'static str,
    /// What the places are, and which files are of a split.
    pub(super) form: Form,
    /// How many scenes the published datasets in this layout have.
    pub(super) known: &'static [Counts],
}

/// What the places of a layout are.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Folders of one split.
    Folders,
    /// Folders that all splits share; the file at this place names the files of the split.
    Listed(&'static str),
    /// None: the file at this place gives the paths.
    Paths(&'static str),
    /// Files without their extension, and which columns of them are train, val and test.
    Whole([Cut; 3]),
}

/// A part of a whole scene: the files of a split, and from and to which percent of their columns.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) files: Split,
    pub(super) columns: [usize; 2],
}

/// What a layout found of a split.
pub(super) enum Found {
    /// Folders, and the list of names that are of the split where it does not follow from the folders.
    Folders { images: Vec<PathBuf>, label: PathBuf, list: Option<PathBuf> },
    /// A list of paths.
    Paths(PathBuf),
    /// One scene, of which some columns (in percent) are of the split.
    Whole { images: Vec<PathBuf>, label: PathBuf, columns: [usize; 2] },
}

impl Layout {
    /// The places of a split, if all are there.
    pub(super) fn find(&self, root: &Path, split: Split) -> Result<Option<Found>, DatasetError> {
        let folder = |place: &str| walk(root, place, split);
        Ok(match self.form {
            Form::Folders => {
                let images = all(self.images, folder)?;
                images.zip(folder(self.label)?).map(|(images, label)| Found::Folders { images, label, list: None })
            }
            Form::Listed(place) => {
                let images = all(self.images, folder)?;
                let places = images.zip(folder(self.label)?).zip(file(root, place, split)?);
                places.map(|((images, label), list)| Found::Folders { images, label, list: Some(list) })
            }
            Form::Paths(place) => match file(root, place, split)? {
                Some(list) if list::fits(&list, self.dates)? => Some(Found::Paths(list)),
                _ => None,
            },
            Form::Whole(cuts) => {
                let cut = cuts[split as usize];
                let image = |place: &str| image(root, place, cut.files);
                let images = all(self.images, image)?;
                let columns = cut.columns;
                images.zip(image(self.label)?).map(|(images, label)| Found::Whole { images, label, columns })
            }
        })
    }
}

fn all(
    places: &[&str],
    find: impl Fn(&str) -> Result<Option<PathBuf>, DatasetError>,
) -> Result<Option<Vec<PathBuf>>, DatasetError> {
    places.iter().map(|place| find(place)).collect()
}

/// The folder at a place.
fn walk(root: &Path, place: &str, split: Split) -> Result<Option<PathBuf>, DatasetError> {
    let mut folder = root.to_path_buf();
    for step in place.split('/') {
        match Folder::read(&folder)?.subfolder(spellings(step, split)) {
            Some(next) => folder = next,
            None if step.split('|').any(str::is_empty) => {}
            None => return Ok(None),
        }
    }
    Ok(Some(folder))
}

/// The file whose name is the last step of a place.
fn file(root: &Path, place: &str, split: Split) -> Result<Option<PathBuf>, DatasetError> {
    let (folder, name) = place.rsplit_once('/').unwrap_or(("|", place));
    let Some(folder) = walk(root, folder, split)? else { return Ok(None) };
    Ok(Folder::read(&folder)?.file(spellings(name, split)))
}

/// The image whose name without extension is the last step of a place.
fn image(root: &Path, place: &str, split: Split) -> Result<Option<PathBuf>, DatasetError> {
    let (folder, stem) = place.rsplit_once('/').unwrap_or(("|", place));
    let Some(folder) = walk(root, folder, split)? else { return Ok(None) };
    Folder::read(&folder)?.image(spellings(stem, split))
}

/// What a step may be called.
fn spellings(step: &str, split: Split) -> impl Iterator<Item = String> {
    let names: &[&str] = match split {
        Split::Train => &["train", "training"],
        Split::Val => &["val", "valid", "validation"],
        Split::Test => &["test", "testing"],
    };
    step.split('|').filter(|spelling| !spelling.is_empty()).flat_map(move |spelling| {
        let names = if spelling.contains("{split}") { names } else { &names[..1] };
        names.iter().map(move |name| spelling.replace("{split}", name))
    })
}
