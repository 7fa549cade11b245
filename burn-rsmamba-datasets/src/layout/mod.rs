//! Finding the images and labels of a split in a folder.
//!
//! Each known layout is a constant in the file of its dataset; here they are tried in turn and their files paired.

mod counts;
mod folder;
mod levir;
mod list;
mod massachusetts;
mod opener;
mod pair;
mod template;
mod whole;
mod whu;

use std::path::{Path, PathBuf};

use self::folder::Folder;
use self::pair::Gathered;
use self::template::{Form, Found, Layout};
use crate::{DatasetError, Dates, SceneSet, Split};

pub use opener::DatasetFolder;

const fn list_of(dates: Dates) -> Layout {
    let shape = match dates {
        Dates::One => "{split}.txt with lines `IMAGE LABEL`",
        Dates::Two => "{split}.txt with lines `BEFORE AFTER LABEL`",
    };
    let form = Form::Paths("list|lists|/{split}.txt");
    Layout { name: "list of files", shape, dates, images: &[], label: "", form, known: &[] }
}

/// Lists of paths.
const LISTS: [&Layout; 2] = [&list_of(Dates::One), &list_of(Dates::Two)];

/// The layouts of the official RS-Mamba code.
const OFFICIAL: [&Layout; 2] = [&Layout { name: "RS-Mamba", known: &[], ..whu::SEGMENTATION }, &levir::OFFICIAL];

/// All, more specific layouts first.
const LAYOUTS: [&Layout; 13] = [
    &whu::SEGMENTATION,
    &massachusetts::SAT_MAP,
    &massachusetts::NATIVE,
    &massachusetts::NATIVE_INSIDE,
    &levir::NATIVE,
    &levir::OFFICIAL,
    &levir::SPLIT_INSIDE,
    &levir::LISTED,
    &whu::SEGMENTATION_LISTED,
    LISTS[0],
    LISTS[1],
    &whu::SCENES,
    &whu::ONE_SCENE,
];

/// Finds the scenes of one split of a dataset folder, whatever its layout: [`DatasetFolder::detect`] with its defaults.
///
/// # Errors
/// As [`DatasetFolder::open`].
pub fn open(root: &Path, dates: Dates, split: Split) -> Result<SceneSet, DatasetError> {
    DatasetFolder::detect(root, dates).open(split)
}

/// The scenes of folders of no dataset: one of images a date, and one of labels. Files of one name, but for their extensions, belong
/// together.
///
/// # Errors
/// A folder that is missing or has no images; files without partners, unless they are allowed.
pub fn open_folders(
    images: &[PathBuf],
    labels: &Path,
    split: Split,
    allow_unpaired: bool,
) -> Result<SceneSet, DatasetError> {
    images.iter().map(PathBuf::as_path).chain([labels]).try_for_each(expect_folder)?;
    let Gathered { scenes, warnings } = pair::pair(images, labels, None, allow_unpaired)?;
    Ok(SceneSet { layout: "folders", split, scenes, warnings })
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

fn expect_folder(path: &Path) -> Result<(), DatasetError> {
    match path {
        path if path.is_dir() => Ok(()),
        path if path.exists() => Err(DatasetError::NotAFolder { path: path.into() }),
        path => Err(DatasetError::Missing { path: path.into() }),
    }
}

/// The scenes of a split in the first of these layouts that has it.
fn find(
    root: &Path,
    layouts: &[&Layout],
    dates: Dates,
    split: Split,
    allow_unpaired: bool,
) -> Result<SceneSet, DatasetError> {
    expect_folder(root)?;
    for layout in layouts.iter().filter(|layout| layout.dates == dates) {
        let Gathered { scenes, mut warnings } = match layout.find(root, split)? {
            Some(Found::Folders { images, label, list }) => {
                pair::pair(&images, &label, list.as_deref(), allow_unpaired)?
            }
            Some(Found::Paths(list)) => list::scenes(&list, dates, allow_unpaired)?,
            Some(Found::Whole { images, label, columns }) => whole::scene(images, label, columns)?,
            None => continue,
        };
        warnings.extend(counts::check(layout.known, split, scenes.len()));
        return Ok(SceneSet { layout: layout.name, split, scenes, warnings });
    }
    Err(explain(root, layouts, dates, split)?)
}

/// Why no layout fits.
fn explain(root: &Path, layouts: &[&Layout], dates: Dates, split: Split) -> Result<DatasetError, DatasetError> {
    let mut other_dates = None;
    for layout in layouts {
        let mut found = Vec::new();
        for split in Split::ALL {
            if layout.find(root, split)?.is_some() {
                found.push(split);
            }
        }
        if found.is_empty() {
            continue;
        }
        if layout.dates == dates {
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
            holds: layout.dates,
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
        expected: layouts.iter().filter(|layout| layout.dates == dates).map(|layout| layout.shape).collect(),
        found: folder.outline()?,
    })
}
