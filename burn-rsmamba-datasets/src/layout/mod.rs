//! Finding the images and labels of a split in a folder.
//!
//! Each known layout is a constant in the file of its dataset; here they are tried in turn and their files paired.

mod folder;
mod levir;
mod massachusetts;
mod pair;
mod template;
mod whu;

use std::path::{Path, PathBuf};

use self::folder::Folder;
use self::template::Layout;
use crate::{DatasetError, Dates, SceneSet, Split};

/// More specific layouts first.
const LAYOUTS: [&Layout; 6] = [
    &whu::SEGMENTATION,
    &massachusetts::SAT_MAP,
    &massachusetts::NATIVE,
    &massachusetts::NATIVE_INSIDE,
    &levir::NATIVE,
    &levir::OFFICIAL,
];

/// Finds the scenes of one split of a dataset folder.
///
/// | dates | layouts, all letters in any case |
/// |---|---|
/// | one | `{split}/{image,label}`, `{split}/{image,mask}`, `{split}/{sat,map}`, `tiff/{split}` + `tiff/{split}_labels` |
/// | two | `{split}/{A,B,label}`, `{split}/{t1,t2,label}` |
///
/// Files belong together when their names without extension are the same. Nothing is decoded yet.
///
/// # Errors
/// A folder that is missing, empty, of no known layout or of one for the other number of dates; a split that is not
/// there; images or labels without a partner.
pub fn open(root: &Path, dates: Dates, split: Split) -> Result<SceneSet, DatasetError> {
    match root {
        root if root.is_dir() => {}
        root if root.exists() => return Err(DatasetError::NotAFolder { path: root.into() }),
        root => return Err(DatasetError::Missing { path: root.into() }),
    }
    for layout in LAYOUTS.into_iter().filter(|layout| layout.dates() == dates) {
        if let Some(found) = layout.find(root, split)? {
            return pair::pair(layout.name, split, &found);
        }
    }
    Err(explain(root, dates, split)?)
}

/// Lists the images of a folder, sorted by name; a file is a list of one.
///
/// # Errors
/// A path that is missing, a folder without images.
pub fn list_images(input: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    if input.is_file() {
        return Ok(vec![input.to_path_buf()]);
    }
    Ok(Folder::read(input)?.images()?.into_values().collect())
}

/// Why no layout fits.
fn explain(root: &Path, dates: Dates, split: Split) -> Result<DatasetError, DatasetError> {
    let mut other_dates = None;
    for layout in LAYOUTS {
        let mut found = Vec::new();
        for split in Split::ALL {
            if layout.find(root, split)?.is_some() {
                found.push(split);
            }
        }
        if found.is_empty() {
            continue;
        }
        if layout.dates() == dates {
            return Ok(DatasetError::MissingSplit {
                root: root.into(),
                split,
                layout: layout.name,
                expected: layout.shape.replace("{split}", &split.to_string()),
                found: found.iter().map(ToString::to_string).collect(),
            });
        }
        other_dates.get_or_insert(layout);
    }
    if let Some(layout) = other_dates {
        return Ok(DatasetError::WrongDates {
            root: root.into(),
            layout: layout.name,
            holds: layout.dates(),
            asked: dates,
        });
    }
    let folder = Folder::read(root)?;
    if folder.is_empty() {
        return Ok(DatasetError::EmptyFolder { path: root.into() });
    }
    Ok(DatasetError::NoLayout {
        root: root.into(),
        dates,
        expected: LAYOUTS.iter().filter(|layout| layout.dates() == dates).map(|layout| layout.shape).collect(),
        found: folder.outline()?,
    })
}
