//! Where a raster lies on the ground, as GeoTIFF says it.

use std::fmt::Write;
use std::io::{BufRead, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tiff::decoder::Decoder;
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use super::blocks::Blocks;
use super::read::{Kind, sniff, tiff_error};
use super::tiff::TiffBlocks;
use crate::DatasetError;

/// The key `GTRasterTypeGeoKey`, and its value for pixels that are points.
const RASTER_TYPE: u16 = 1025;
const PIXEL_IS_POINT: u16 = 2;
/// The keys of the reference systems, geographic and projected.
const GEOGRAPHIC: u16 = 2048;
const PROJECTED: u16 = 3072;

/// The georeference of a GeoTIFF (OGC 19-008r4): an affine transform and the keys of its coordinate reference system.
///
/// The keys are kept as they came and written back as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoReference {
    /// `x = t[0] + column t[1] + row t[2]`, `y = t[3] + column t[4] + row t[5]`, in the file's own convention: of a pixel's
    /// upper left corner, or of its centre where the keys say that pixels are points (see
    /// [`corner_transform`](Self::corner_transform)).
    pub transform: [f64; 6],
    /// `GeoKeyDirectoryTag`, empty where there is none.
    pub keys: Vec<u16>,
    /// `GeoDoubleParamsTag`.
    pub doubles: Vec<f64>,
    /// `GeoAsciiParamsTag`.
    pub ascii: String,
}

impl GeoReference {
    /// Where an image file lies, without a look at its pixels; `None` where it does not say, as files other than TIFF.
    ///
    /// # Errors
    /// A file that is not there, is no image, or whose header is damaged or of a kind that is not supported.
    pub fn of_file(path: &Path) -> Result<Option<Self>, DatasetError> {
        match sniff(path)? {
            (Kind::Tiff, reader) => Ok(TiffBlocks::open(reader, Arc::new(Blocks::new(0)))
                .map_err(|failure| tiff_error(path, failure))?
                .georeference),
            (Kind::Other(_), _) => Ok(None),
        }
    }

    /// The world file beside an image that says nothing of where it lies (`scene.tfw` or `scene.tifw` of `scene.tif`, `scene.wld`), which is
    /// not read.
    pub(super) fn world_file_beside(path: &Path) -> Option<PathBuf> {
        let extension = path.extension()?.to_string_lossy().into_owned();
        let short: String = extension.chars().next().into_iter().chain(extension.chars().last()).collect();
        let names = [format!("{short}w"), format!("{extension}w"), "wld".into()];
        let spellings = names.iter().flat_map(|name| [name.clone(), name.to_lowercase(), name.to_uppercase()]);
        spellings.map(|name| path.with_extension(name)).find(|path| path.is_file())
    }

    /// The transform of pixel corners, as GDAL gives it, whatever the keys say of pixels.
    pub fn corner_transform(&self) -> [f64; 6] {
        let [x, xc, xr, y, yc, yr] = self.transform;
        if self.key(RASTER_TYPE) == Some(PIXEL_IS_POINT) {
            [x - 0.5 * (xc + xr), xc, xr, y - 0.5 * (yc + yr), yc, yr]
        } else {
            self.transform
        }
    }

    /// The georeference of a part that begins at this pixel.
    #[must_use]
    pub fn shifted(&self, column: usize, row: usize) -> Self {
        let [x, xc, xr, y, yc, yr] = self.transform;
        let (column, row) = (column as f64, row as f64);
        let transform = [x + column * xc + row * xr, xc, xr, y + column * yc + row * yr, yc, yr];
        Self { transform, ..self.clone() }
    }

    /// Everything by which two rasters of `height` rows and `width` columns do not lie on one grid, or `None` where they do.
    ///
    /// No corner of one may lie further than a tenth of a pixel from that of the other.
    pub fn difference(&self, other: &Self, (height, width): (usize, usize)) -> Option<String> {
        let mut found = Vec::new();
        if !self.same_reference_system(other) {
            let (first, second) = (self.reference_system(), other.reference_system());
            found.push(format!("coordinate reference systems {first} and {second}"));
        }
        let (first, second) = (self.corner_transform(), other.corner_transform());
        let pixel = first[1].hypot(first[4]).min(first[2].hypot(first[5])).max(f64::MIN_POSITIVE);
        let is_apart = |pixels: f64| pixels.is_nan() || pixels > 0.1;
        if is_apart((first[0] - second[0]).hypot(first[3] - second[3]) / pixel) {
            found.push(format!("origins ({}, {}) and ({}, {})", first[0], first[3], second[0], second[3]));
        }
        // How far the other corners lie apart where the origins are one.
        let [across, along] = [(1, 4), (2, 5)].map(|(x, y)| (first[x] - second[x], first[y] - second[y]));
        let corners = [(width, 0), (0, height), (width, height)].map(|(column, row)| {
            let (column, row) = (column as f64, row as f64);
            (column * across.0 + row * along.0).hypot(column * across.1 + row * along.1) / pixel
        });
        if corners.into_iter().any(is_apart) {
            let size = |t: [f64; 6]| format!("{} x {}", t[1].hypot(t[4]), t[2].hypot(t[5]));
            let angle = |t: [f64; 6]| t[4].atan2(t[1]).to_degrees();
            let mut text = format!("pixel sizes {} and {}", size(first), size(second));
            if (angle(first) - angle(second)).abs() > 1e-9 {
                let _ = write!(text, ", axes turned by {} and {} degrees", angle(first), angle(second));
            }
            let most = corners.into_iter().fold(0.0, f64::max);
            found.push(format!("{text}, by which corners lie {most:.1} pixels apart"));
        }
        (!found.is_empty()).then(|| found.join("; "))
    }

    /// Whether coordinates mean the same: by EPSG code, and without one by all keys but that which says where in a pixel they
    /// are.
    pub fn same_reference_system(&self, other: &Self) -> bool {
        let keys = |geo: &Self| {
            let entries = geo.keys.get(4..).unwrap_or_default().chunks_exact(4).filter(|entry| entry[0] != RASTER_TYPE);
            (entries.map(<[u16]>::to_vec).collect::<Vec<_>>(), geo.doubles.clone(), geo.ascii.clone())
        };
        match (self.epsg(), other.epsg()) {
            (None, None) => keys(self) == keys(other),
            (first, second) => first == second,
        }
    }

    /// The reference system for a message.
    pub(super) fn reference_system(&self) -> String {
        match self.epsg() {
            Some(code) => format!("EPSG:{code}"),
            None if self.keys.is_empty() => "none".into(),
            // The names in it are ended by bars.
            None => format!("`{}` without an EPSG code", self.ascii.trim_end_matches('|')),
        }
    }

    /// The EPSG code of the projected, else of the geographic reference system.
    pub fn epsg(&self) -> Option<u16> {
        const USER_DEFINED: u16 = 32767;
        self.key(PROJECTED).or_else(|| self.key(GEOGRAPHIC)).filter(|&code| code != USER_DEFINED)
    }

    /// Whether coordinates are angles, so that lengths and areas say nothing.
    pub fn is_geographic(&self) -> bool {
        const MODEL_TYPE: u16 = 1024;
        const GEOGRAPHIC_MODEL: u16 = 2;
        // Some writers leave the type out.
        let only_geographic = || self.key(GEOGRAPHIC).is_some() && self.key(PROJECTED).is_none();
        self.key(MODEL_TYPE).map_or_else(only_geographic, |model| model == GEOGRAPHIC_MODEL)
    }

    /// The name of the reference system as GDAL writes it into GeoJSON: `urn:ogc:def:crs:EPSG::32633`.
    pub fn crs_urn(&self) -> Option<String> {
        self.epsg().map(|code| format!("urn:ogc:def:crs:EPSG::{code}"))
    }

    /// The area of a pixel in square units of the reference system.
    pub fn pixel_area(&self) -> f64 {
        let [_, xc, xr, _, yc, yr] = self.transform;
        (xc * yr - xr * yc).abs()
    }

    /// The value of a key that is stored in the directory itself.
    fn key(&self, id: u16) -> Option<u16> {
        let entries = self.keys.get(4..)?.chunks_exact(4);
        entries.filter(|entry| entry[0] == id && entry[1] == 0).map(|entry| entry[3]).next()
    }

    /// Reads the tags; `None` where a file has no transform.
    pub(super) fn read<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> TiffResult<Option<Self>> {
        let Some(transform) = transform(decoder)? else { return Ok(None) };
        if transform.iter().any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let keys = decoder.find_tag_unsigned_vec::<u16>(Tag::GeoKeyDirectoryTag)?.unwrap_or_default();
        let doubles = doubles(decoder, Tag::GeoDoubleParamsTag)?.unwrap_or_default();
        let ascii = text(decoder, Tag::GeoAsciiParamsTag)?.unwrap_or_default();
        Ok(Some(Self { transform, keys, doubles, ascii }))
    }
}

fn transform<R: BufRead + Seek>(decoder: &mut Decoder<R>) -> TiffResult<Option<[f64; 6]>> {
    if let Some(matrix) = doubles(decoder, Tag::ModelTransformationTag)? {
        return Ok(matrix.get(..8).map(|m| [m[3], m[0], m[1], m[7], m[4], m[5]]));
    }
    let (Some(scale), Some(tie)) =
        (doubles(decoder, Tag::ModelPixelScaleTag)?, doubles(decoder, Tag::ModelTiepointTag)?)
    else {
        return Ok(None);
    };
    let (&[width, height, ..], &[column, row, _, x, y, ..]) = (&scale[..], &tie[..]) else { return Ok(None) };
    Ok(Some([x - column * width, width, 0.0, y + row * height, 0.0, -height]))
}

fn doubles<R: BufRead + Seek>(decoder: &mut Decoder<R>, tag: Tag) -> TiffResult<Option<Vec<f64>>> {
    match decoder.find_tag(tag)? {
        Some(value) => value.into_f64_vec().map(Some),
        None => Ok(None),
    }
}

/// A text tag; one that is not text counts as absent.
pub(super) fn text<R: BufRead + Seek>(decoder: &mut Decoder<R>, tag: Tag) -> TiffResult<Option<String>> {
    let Some(value) = decoder.find_tag(tag)? else { return Ok(None) };
    match value.into_string() {
        Ok(text) => Ok(Some(text.trim_end_matches('\0').to_owned())),
        Err(TiffError::FormatError(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_known_with_and_without_the_type_of_the_model() {
        let of = |keys: &[[u16; 2]]| {
            let keys =
                [[1, 1, 0, keys.len() as u16]].into_iter().chain(keys.iter().map(|&[key, value]| [key, 0, 1, value]));
            GeoReference {
                transform: [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
                keys: keys.flatten().collect(),
                doubles: vec![],
                ascii: String::new(),
            }
        };
        for (keys, geographic) in [
            (&[[1024, 2], [2048, 4326]][..], true),
            (&[[2048, 4326]], true),
            (&[[1024, 1], [2048, 4326], [3072, 32633]], false),
            (&[[2048, 4326], [3072, 32633]], false),
            (&[[3072, 32633]], false),
            (&[], false),
        ] {
            assert_eq!(of(keys).is_geographic(), geographic, "{keys:?}");
        }
    }

    #[test]
    fn world_files_are_found_in_either_case() {
        let root = tempfile::tempdir().unwrap();
        for (image, world) in
            [("a.tif", "a.tfw"), ("B.TIF", "B.TFW"), ("C.TIF", "C.tfw"), ("d.jpg", "d.jgw"), ("e.tif", "e.wld")]
        {
            let world = root.path().join(world);
            std::fs::write(&world, "").unwrap();
            assert_eq!(GeoReference::world_file_beside(&root.path().join(image)), Some(world), "{image}");
        }
        assert_eq!(GeoReference::world_file_beside(&root.path().join("f.tif")), None);
    }
}
