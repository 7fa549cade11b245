//! Layouts as data: where each kind of file lies, as paths with blanks.

use std::path::{Path, PathBuf};

use super::folder::Folder;
use crate::{DatasetError, Dates, Split};

/// Where a dataset keeps its files.
///
/// A place is a path below the dataset folder; `{split}` stands for the split under any of its usual names, and `|`
/// separates spellings of a folder, the most usual one first. Letters match in any case.
pub(super) struct Layout {
    /// The name a message gives it.
    pub(super) name: &'static str,
    /// All places, as a message shows them.
    pub(super) shape: &'static str,
    /// The place of each date's images.
    pub(super) images: &'static [&'static str],
    /// The place of the labels.
    pub(super) label: &'static str,
}

/// The folders of one split.
pub(super) struct Places {
    pub(super) images: Vec<PathBuf>,
    pub(super) label: PathBuf,
}

impl Layout {
    pub(super) fn dates(&self) -> Dates {
        if self.images.len() == 1 { Dates::One } else { Dates::Two }
    }

    /// The folders of a split, if all are there.
    pub(super) fn find(&self, root: &Path, split: Split) -> Result<Option<Places>, DatasetError> {
        let mut images = Vec::new();
        for place in self.images {
            match resolve(root, place, split)? {
                Some(folder) => images.push(folder),
                None => return Ok(None),
            }
        }
        Ok(resolve(root, self.label, split)?.map(|label| Places { images, label }))
    }
}

fn resolve(root: &Path, place: &str, split: Split) -> Result<Option<PathBuf>, DatasetError> {
    let mut folder = root.to_path_buf();
    for step in place.split('/') {
        let spellings = step.split('|').flat_map(|spelling| fill(spelling, split));
        match Folder::read(&folder)?.subfolder(spellings) {
            Some(next) => folder = next,
            None => return Ok(None),
        }
    }
    Ok(Some(folder))
}

fn fill(spelling: &str, split: Split) -> Vec<String> {
    let names: &[&str] = match split {
        Split::Train => &["train", "training"],
        Split::Val => &["val", "valid", "validation"],
        Split::Test => &["test", "testing"],
    };
    if spelling.contains("{split}") {
        names.iter().map(|name| spelling.replace("{split}", name)).collect()
    } else {
        vec![spelling.to_string()]
    }
}
