//! Whole scenes, of which a split is a part.

use std::path::PathBuf;

use super::pair::Gathered;
use crate::{DatasetError, LabelRule, RasterFile, Scene, SceneOrigin, Window};

/// The part of a scene between two percentages of its columns.
pub(super) fn scene(images: Vec<PathBuf>, label: PathBuf, columns: [usize; 2]) -> Result<Gathered, DatasetError> {
    let name = images[0].file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let region = if columns == [0, 100] {
        None
    } else {
        // This reads no more than the header of a TIFF.
        let file = RasterFile::open(&images[0])?;
        let [left, right] = columns.map(|percent| file.width() * percent / 100);
        Some(Window { top: 0, left, bottom: file.height(), right })
    };
    let source = SceneOrigin::Files { images, label: Some(label), rule: LabelRule::Auto, region };
    Ok(Gathered { scenes: vec![Scene { name, source }], warnings: Vec::new() })
}
