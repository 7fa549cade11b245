//! How the files of a place are called: its own name, `_`, and one of these.

use std::path::{Path, PathBuf};

use crate::mask_file;

pub(super) const PROBABILITY: &str = "prob.tif";
pub(super) const POLYGONS: &str = "polygons.geojson";
pub(super) const OVERLAY: &str = "overlay.png";
/// Finished rows of a run that was interrupted.
pub(super) const UNFINISHED: &str = "unfinished";

/// The page of all places.
pub(super) const PAGE: &str = "index.html";

/// Outputs that are images, so that a folder that is mapped twice holds them as if they were scenes.
fn images() -> [String; 5] {
    let mask = |format| mask_file::name("", format);
    let [png, tif] = [mask_file::Format::Png, mask_file::Format::GeoTiff].map(mask);
    [png, tif, format!("_{PROBABILITY}"), format!("_{OVERLAY}"), mask_file::errors("")]
}

/// The file of that kind in a folder.
pub(super) fn path(folder: &Path, stem: &str, kind: &str) -> PathBuf {
    folder.join(format!("{stem}_{kind}"))
}

/// Every file of a place that a run may leave, whatever it was asked for.
pub(super) fn all(folder: &Path, stem: &str) -> impl Iterator<Item = PathBuf> {
    let images = images().map(|end| folder.join(format!("{stem}{end}")));
    images.into_iter().chain([path(folder, stem, POLYGONS)])
}

/// The name of the place that an image is an output of, if it is called like one.
pub(super) fn place_of(image: &Path) -> Option<String> {
    let name = image.file_name()?.to_str()?;
    images().iter().find_map(|end| name.strip_suffix(end.as_str())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_known_by_their_names() {
        for end in ["mask.png", "mask.tif", "prob.tif", "overlay.png", "errors.png"] {
            assert_eq!(place_of(Path::new(&format!("maps/town_{end}"))), Some("town".into()), "{end}");
        }
        for name in ["town.tif", "town_mask.jpg", "mask.png", "town_polygons.geojson"] {
            assert_eq!(place_of(Path::new(name)), None, "{name}");
        }
        let all: Vec<_> = all(Path::new("maps"), "town").collect();
        assert_eq!(all.len(), 6);
        assert!(all.contains(&PathBuf::from("maps/town_polygons.geojson")));
    }
}
