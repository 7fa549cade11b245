//! A split, cut into square crops of one size.

use burn_dataset::Dataset;
use rayon::prelude::*;

use crate::grid::{Span, spans};
use crate::{DatasetError, Dates, LoadedScene, SceneSet, Window};

/// The smallest crop: the models halve their input five times.
const SMALLEST: usize = 32;

/// How scenes are cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropOptions {
    /// Rows and columns of a crop.
    pub size: usize,
    /// Rows and columns that neighbours share.
    pub overlap: usize,
    /// Whether crops that are blank for more than half are left out.
    ///
    /// A pixel is blank where every band of one date is 0, or at the largest value of its type, or not a number.
    pub skip_blank: bool,
}

impl Default for CropOptions {
    fn default() -> Self {
        Self { size: 256, overlap: 0, skip_blank: true }
    }
}

/// One crop, ready for a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The name of the scene.
    pub name: String,
    /// The crop's first row in the scene.
    pub y: usize,
    /// The crop's first column in the scene.
    pub x: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values a pixel.
    pub bands: usize,
    /// `bands * height * width` values a date, band by band, 8-bit and 16-bit values scaled to 0..1.
    pub images: Vec<Vec<f32>>,
    /// `height * width` values, as in a [`Mask`](crate::Mask).
    pub label: Vec<u8>,
    /// The pixels that count in a metric.
    ///
    /// These windows share every scene out among its crops: what lies outside is padding, or is counted in an earlier
    /// crop that covers it too.
    pub counted: Window,
}

/// The crops of a split as a [`Dataset`], scene by scene and row by row.
///
/// Crops lie on a grid; the last one of a row or column is shifted back to end with the scene. A scene smaller than a
/// crop is padded at the bottom and right by repeating its last row and column. All scenes are kept in memory, decoded,
/// in the type of their files.
#[derive(Clone, Debug)]
pub struct Crops {
    scenes: Vec<LoadedScene>,
    cells: Vec<Cell>,
    options: CropOptions,
    skipped_blank: usize,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    scene: usize,
    rows: Span,
    columns: Span,
}

impl Crops {
    /// Decodes all scenes, on all cores, and lays the grid.
    ///
    /// # Errors
    /// Crop options that make no sense, a scene that cannot be loaded or has no label, scenes that differ in bands, and
    /// a split of which nothing is left.
    pub fn new(set: &SceneSet, options: CropOptions) -> Result<Self, DatasetError> {
        check(options)?;
        let loaded: Vec<_> = set.scenes.par_iter().map(crate::Scene::load).collect();
        let scenes = loaded.into_iter().collect::<Result<Vec<_>, _>>()?;
        check_scenes(set, &scenes)?;

        let cells: Vec<_> = scenes.iter().enumerate().flat_map(|(index, scene)| cells(index, scene, options)).collect();
        let total = cells.len();
        let cells: Vec<_> =
            cells.into_par_iter().filter(|cell| !(options.skip_blank && cell.is_blank(&scenes[cell.scene]))).collect();
        let skipped_blank = total - cells.len();
        if cells.is_empty() {
            let first = set.scenes.first().map(|scene| scene.path(Some(0)).display().to_string());
            return Err(DatasetError::AllBlank { first: first.unwrap_or_default(), skipped: skipped_blank });
        }
        Ok(Self { scenes, cells, options, skipped_blank })
    }

    /// How many crops were left out because they are blank.
    pub fn skipped_blank(&self) -> usize {
        self.skipped_blank
    }

    /// The scenes the crops are cut from.
    pub fn scenes(&self) -> &[LoadedScene] {
        &self.scenes
    }

    /// How they are cut.
    pub fn options(&self) -> CropOptions {
        self.options
    }

    /// Values a pixel.
    pub fn bands(&self) -> usize {
        self.scenes[0].images[0].bands
    }

    /// How many images make a sample.
    pub fn dates(&self) -> Dates {
        if self.scenes[0].images.len() == 1 { Dates::One } else { Dates::Two }
    }

    pub(crate) fn sample(&self, index: usize) -> Sample {
        let Cell { scene, rows, columns } = self.cells[index];
        let (y, x, size) = (rows.start, columns.start, self.options.size);
        let scene = &self.scenes[scene];
        Sample {
            name: scene.name.clone(),
            y,
            x,
            height: size,
            width: size,
            bands: self.bands(),
            images: scene.images.iter().map(|image| image.crop_chw_f32(y, x, size, size)).collect(),
            label: scene.label.as_ref().map(|label| label.crop(y, x, size, size)).unwrap_or_default(),
            counted: Window { top: rows.from, left: columns.from, bottom: rows.to, right: columns.to },
        }
    }
}

impl Dataset<Sample, DatasetError> for Crops {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        Ok(self.sample(index))
    }

    fn len(&self) -> usize {
        self.cells.len()
    }
}

impl Cell {
    /// Whether more than half of the crop's pixels of some date hold no picture; padding is not looked at.
    fn is_blank(&self, scene: &LoadedScene) -> bool {
        let (rows, columns) = (self.rows, self.columns);
        scene.images.iter().any(|image| {
            let blank: usize = (rows.start..rows.start + rows.to)
                .map(|row| {
                    (columns.start..columns.start + columns.to).filter(|&column| image.is_blank(row, column)).count()
                })
                .sum();
            2 * blank > rows.to * columns.to
        })
    }
}

fn cells(index: usize, scene: &LoadedScene, CropOptions { size, overlap, .. }: CropOptions) -> Vec<Cell> {
    let image = &scene.images[0];
    let columns = spans(image.width, size, overlap);
    spans(image.height, size, overlap)
        .into_iter()
        .flat_map(|rows| columns.iter().map(move |&columns| Cell { scene: index, rows, columns }))
        .collect()
}

fn check(CropOptions { size, overlap, .. }: CropOptions) -> Result<(), DatasetError> {
    match size {
        0 => Err(DatasetError::CropZero { smallest: SMALLEST }),
        1..SMALLEST => Err(DatasetError::CropTooSmall { size, smallest: SMALLEST }),
        _ if overlap >= size => Err(DatasetError::OverlapTooLarge { overlap, size }),
        _ => Ok(()),
    }
}

/// There are scenes, every one has images and a label, and all have the bands and dates of the first.
fn check_scenes(set: &SceneSet, scenes: &[LoadedScene]) -> Result<(), DatasetError> {
    if scenes.is_empty() {
        return Err(DatasetError::NoScenes { split: set.split, layout: set.layout });
    }
    let mut first = None;
    for (scene, source) in scenes.iter().zip(&set.scenes) {
        if scene.label.is_none() {
            return Err(DatasetError::NoLabel { scene: source.path(Some(0)).display().to_string() });
        }
        let Some(image) = scene.images.first() else {
            return Err(DatasetError::Missing { path: source.path(Some(0)) });
        };
        let &mut (bands, dates, other) = first.get_or_insert((image.bands, scene.images.len(), source));
        if image.bands != bands {
            let (path, other) = (source.path(Some(0)), other.path(Some(0)));
            return Err(DatasetError::BandsDiffer { path, bands: image.bands, other, other_bands: bands });
        }
        if scene.images.len() != dates {
            return Err(DatasetError::DatesDiffer {
                scene: scene.name.clone(),
                dates: scene.images.len(),
                other: other.name.clone(),
                other_dates: dates,
            });
        }
    }
    Ok(())
}
