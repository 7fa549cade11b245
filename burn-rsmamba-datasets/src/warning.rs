//! What a user should know of a dataset but need not mend.

use std::path::PathBuf;

use crate::{Names, Split};

/// Something about the files of a split that may be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetWarning {
    /// Another number of scenes than the published dataset has.
    #[error("{split}: {found} scenes, where {}; check the download, unless this is meant", published(.known))]
    Count {
        /// The split.
        split: Split,
        /// How many scenes are there.
        found: usize,
        /// How many the datasets that are published in this layout have, by name.
        known: Vec<(&'static str, usize)>,
    },
    /// Files that were left out because their partners are not there.
    #[error("{0}; left out")]
    Unpaired(Unpaired),
    /// One of two images of a place says where it lies, so that nothing tells whether the other lies there.
    #[error("{with} is georeferenced and {without} is not; they are taken to cover the same pixels")]
    OneGeoreference {
        /// The file with a georeference.
        with: PathBuf,
        /// The file without.
        without: PathBuf,
    },
    /// An image that says something of where it lies, but not by a transform.
    #[error(
        "{path} has ground control points or a reference system, but no transform: where it lies is not known, and its map will not \
         say it; bring it onto a grid with gdalwarp"
    )]
    NoTransform {
        /// The file.
        path: PathBuf,
    },
    /// An image without a georeference of its own beside a file that has one.
    #[error(
        "{path} says nothing of where it lies, and {world} beside it is not read: its map will not say it either; write it into the \
         image with gdal_translate -a_srs EPSG:CODE {path} NEW.tif"
    )]
    WorldFile {
        /// The file.
        path: PathBuf,
        /// The world file.
        world: PathBuf,
    },
    /// An image of which a band was left out.
    #[error(
        "{path}: the band after the first {bands} is alpha by its tags: it is left out, and where it is 0 there is no data; if it is a \
         measurement, have that said: \
         gdal_translate -co PHOTOMETRIC=MINISBLACK -co ALPHA=NO {path} NEW.tif"
    )]
    Alpha {
        /// The file.
        path: PathBuf,
        /// Bands that are left.
        bands: usize,
    },
    /// Files that are neither images nor sidecars of images.
    #[error("{folder}: ignored {names} (not a PNG, JPEG, BMP or TIFF name)")]
    Ignored {
        /// Where they are.
        folder: PathBuf,
        /// Their names.
        names: Names,
    },
}

/// A folder or list that lacks files which belong to others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} has no {what} for {names}")]
pub struct Unpaired {
    /// The folder without the files, or the list that names them.
    pub place: PathBuf,
    /// What is not there: an image, a label, or a file that was listed.
    pub what: &'static str,
    /// Names without extension, or paths as a list gives them.
    pub names: Names,
}

fn published(known: &[(&str, usize)]) -> String {
    let known: Vec<String> = known.iter().map(|(name, count)| format!("{name} has {count}")).collect();
    known.join(" and ")
}
