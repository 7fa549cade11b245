//! Looking into one folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::raster::has_image_extension;
use crate::{DatasetError, Names};

/// What a folder holds, sorted by name; hidden entries are left out.
pub(super) struct Folder {
    path: PathBuf,
    entries: Vec<PathBuf>,
}

impl Folder {
    pub(super) fn read(path: &Path) -> Result<Self, DatasetError> {
        let io = |cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::NotFound => DatasetError::Missing { path: path.into() },
            _ => DatasetError::Io { path: path.into(), cause },
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                entries.push(entry.path());
            }
        }
        entries.sort();
        Ok(Self { path: path.into(), entries })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The folder inside that has the first possible spelling, in any case of its letters.
    pub(super) fn subfolder(&self, spellings: impl Iterator<Item = String>) -> Option<PathBuf> {
        let mut spellings = spellings;
        spellings.find_map(|spelling| {
            let fits = |path: &&PathBuf| name(path).eq_ignore_ascii_case(&spelling) && path.is_dir();
            self.entries.iter().find(fits).cloned()
        })
    }

    /// The file that has the first possible spelling, in any case of its letters.
    pub(super) fn file(&self, spellings: impl Iterator<Item = String>) -> Option<PathBuf> {
        let mut spellings = spellings;
        spellings.find_map(|spelling| {
            let fits = |path: &&PathBuf| name(path).eq_ignore_ascii_case(&spelling) && path.is_file();
            self.entries.iter().find(fits).cloned()
        })
    }

    /// The image whose name without extension has the first possible spelling, in any case of its letters.
    pub(super) fn image(&self, spellings: impl Iterator<Item = String>) -> Result<Option<PathBuf>, DatasetError> {
        for spelling in spellings {
            let fits = |path: &&PathBuf| has_image_extension(path) && stem(path).eq_ignore_ascii_case(&spelling);
            let mut fitting = self.entries.iter().filter(fits).filter(|path| path.is_file());
            match (fitting.next(), fitting.next()) {
                (Some(first), Some(second)) => {
                    return Err(DatasetError::SameName { first: first.clone(), second: second.clone() });
                }
                (Some(image), None) => return Ok(Some(image.clone())),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// The images by name without extension; sidecars and anything else are passed over.
    pub(super) fn images(&self) -> Result<BTreeMap<String, PathBuf>, DatasetError> {
        let mut images: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in self.entries.iter().filter(|path| has_image_extension(path) && path.is_file()) {
            if let Some(first) = images.insert(stem(path), path.clone()) {
                return Err(DatasetError::SameName { first, second: path.clone() });
            }
        }
        if images.is_empty() {
            return Err(DatasetError::EmptyFolder { path: self.path.clone() });
        }
        Ok(images)
    }

    /// Files that are neither images nor the sidecars that come with them.
    pub(super) fn strangers(&self) -> Names {
        const SIDECARS: [&str; 9] = ["xml", "ovr", "tfw", "pgw", "jgw", "prj", "txt", "json", "db"];
        let known = |path: &Path| {
            let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            has_image_extension(path) || SIDECARS.contains(&extension.as_str())
        };
        self.entries.iter().filter(|path| path.is_file() && !known(path)).map(|path| name(path)).collect()
    }

    /// The folders inside and those inside them, or some files where there are none.
    pub(super) fn outline(&self) -> Result<Names, DatasetError> {
        let mut outline = Vec::new();
        for outer in self.entries.iter().filter(|path| path.is_dir()) {
            let inner = Self::read(outer)?;
            let before = outline.len();
            outline.extend(
                inner.entries.iter().filter(|p| p.is_dir()).map(|inner| format!("{}/{}", name(outer), name(inner))),
            );
            if outline.len() == before {
                outline.push(format!("{}/", name(outer)));
            }
        }
        if outline.is_empty() {
            outline.extend(self.entries.iter().map(|path| name(path)));
        }
        Ok(Names(outline))
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
