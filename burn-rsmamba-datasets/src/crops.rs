//! A split, cut into square crops of one size.

use std::sync::Arc;

use burn_dataset::Dataset;
use rayon::prelude::*;

use crate::grid::{Grid, Span};
use crate::raster::LARGEST_VALUES;
use crate::reader::SceneReader;
use crate::scene::Size;
use crate::store::Store;
use crate::{DatasetError, Dates, Edge, LoadedScene, Mask, Pixels, Raster, SceneSet, Storage, Window};

/// The smallest crop: the models halve their input five times.
const SMALLEST: usize = 32;

/// The largest crop, if its values are no more than an image held whole may have.
const LARGEST: usize = 1 << 15;

/// Values of an image that the first look at a scene holds at a time, or one row of crops.
const LOOKED_AT: usize = 64 << 20;

/// How scenes are cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropOptions {
    /// Rows and columns of a crop.
    pub size: usize,
    /// Rows and columns that neighbours share.
    pub overlap: usize,
    /// What happens at the bottom and right border of a scene.
    pub edge: Edge,
    /// Scenes are made smaller by this ratio first: image pixels are the mean of squares of so many pixels, labels the
    /// nearest pixel. 1 leaves them as they are.
    pub downsample: usize,
    /// Whether crops that are blank for more than half are left out.
    ///
    /// A pixel is blank where every band of one date is 0, or at the largest value of its type, or one is not finite.
    pub skip_blank: bool,
}

impl Default for CropOptions {
    fn default() -> Self {
        Self { size: 256, overlap: 0, edge: Edge::Shift, downsample: 1, skip_blank: true }
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

/// One crop in the type of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tile {
    /// The index of the scene.
    pub scene: usize,
    /// The crop's first row in the scene.
    pub y: usize,
    /// The crop's first column in the scene.
    pub x: usize,
    /// One square raster a date.
    pub images: Vec<Raster>,
    /// The label.
    pub label: Mask,
}

/// The crops of a split as a [`Dataset`], scene by scene and row by row.
///
/// Crops lie on a grid. One that reaches beyond its scene is padded at the bottom and right by repeating the last row and
/// column. Of scenes in files no more is held in memory than [`Storage`] allows. A clone shares everything.
#[derive(Clone, Debug)]
pub struct Crops {
    store: Arc<Store>,
    sizes: Arc<[Size]>,
    cells: Arc<[Cell]>,
    options: CropOptions,
    dates: Dates,
    eight_bit: bool,
    has_ignored: bool,
    skipped_blank: usize,
}

/// Where a crop lies, and what the first look at it found.
#[derive(Clone, Copy, Debug)]
struct Cell {
    scene: usize,
    rows: Span,
    columns: Span,
    blank: bool,
    marked: bool,
}

/// What the first look at a scene found.
struct Seen {
    size: Size,
    eight_bit: bool,
    has_ignored: bool,
    cells: Vec<Cell>,
}

impl Crops {
    /// Looks at every pixel once, on all cores, and lays the grid; [`with_storage`](Self::with_storage) by default.
    ///
    /// # Errors
    /// As [`with_storage`](Self::with_storage).
    pub fn new(set: &SceneSet, options: CropOptions) -> Result<Self, DatasetError> {
        Self::with_storage(set, options, Storage::default())
    }

    /// Looks at every pixel once, on all cores, and lays the grid.
    ///
    /// # Errors
    /// Crop options that make no sense, a scene that cannot be read or has no label, scenes that differ in bands, and
    /// a split of which nothing is left; a storage folder that cannot be written.
    pub fn with_storage(set: &SceneSet, options: CropOptions, storage: Storage) -> Result<Self, DatasetError> {
        check(options)?;
        let mut store = Store::new(set.scenes.clone(), options.downsample, storage);
        let seen: Vec<_> = (0..set.scenes.len()).into_par_iter().map(|scene| look(&store, scene, options)).collect();
        let seen = seen.into_iter().collect::<Result<Vec<_>, _>>()?;
        check_scenes(set, &seen)?;
        store.settle_labels();

        let cells: Vec<Cell> = seen.iter().flat_map(|scene| &scene.cells).copied().collect();
        if cells.is_empty() {
            return Err(DatasetError::NoWholeCrop { split: set.split, size: options.size });
        }
        let total = cells.len();
        let cells: Arc<[Cell]> = cells.into_iter().filter(|cell| !(options.skip_blank && cell.blank)).collect();
        let skipped_blank = total - cells.len();
        if cells.is_empty() {
            let first = set.scenes.first().map(|scene| scene.path(Some(0)).display().to_string());
            return Err(DatasetError::AllBlank { first: first.unwrap_or_default(), skipped: skipped_blank });
        }
        Ok(Self {
            store: Arc::new(store),
            sizes: seen.iter().map(|scene| scene.size).collect(),
            cells,
            options,
            dates: if set.scenes[0].dates() == 1 { Dates::One } else { Dates::Two },
            eight_bit: seen.iter().all(|scene| scene.eight_bit),
            has_ignored: seen.iter().any(|scene| scene.has_ignored),
            skipped_blank,
        })
    }

    /// How many crops were left out because they are blank.
    pub fn skipped_blank(&self) -> usize {
        self.skipped_blank
    }

    /// The names of the scenes, in their order.
    pub fn scene_names(&self) -> impl Iterator<Item = &str> {
        self.store.scenes().iter().map(|scene| scene.name.as_str())
    }

    /// How many scenes the crops are cut from.
    pub fn scene_count(&self) -> usize {
        self.sizes.len()
    }

    /// All pixels of a scene, downsampled as its crops are.
    ///
    /// # Errors
    /// A file that can no longer be read.
    ///
    /// # Panics
    /// When there is no such scene.
    pub fn scene(&self, index: usize) -> Result<LoadedScene, DatasetError> {
        self.store.load(index)
    }

    /// Opens a scene of any size to read windows of it, with the label judged already; [`scene`](Self::scene) is for those
    /// that fit into memory.
    ///
    /// # Errors
    /// Files that can no longer be read; [`DatasetError::Downsampled`] where scenes are made smaller.
    ///
    /// # Panics
    /// When there is no such scene.
    pub fn reader(&self, index: usize) -> Result<SceneReader, DatasetError> {
        self.store.open(index)
    }

    /// The scene that a crop is cut from, and the pixels of it that count in this crop and in no other.
    ///
    /// # Panics
    /// When there is no such crop.
    pub fn counted(&self, index: usize) -> (usize, Window) {
        let Cell { scene, rows, columns, .. } = self.cells[index];
        let window = Window {
            top: rows.start + rows.from,
            left: columns.start + columns.from,
            bottom: rows.start + rows.to,
            right: columns.start + columns.to,
        };
        (scene, window)
    }

    /// A crop's first row and column in its scene.
    ///
    /// # Panics
    /// When there is no such crop.
    pub fn origin(&self, index: usize) -> (usize, usize) {
        let Cell { rows, columns, .. } = self.cells[index];
        (rows.start, columns.start)
    }

    /// How they are cut.
    pub fn options(&self) -> CropOptions {
        self.options
    }

    /// Values a pixel.
    pub fn bands(&self) -> usize {
        self.sizes[0].bands
    }

    /// How many images make a sample.
    pub fn dates(&self) -> Dates {
        self.dates
    }

    /// Whether all images have 8-bit samples.
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Whether some pixels count nowhere ([`Mask::IGNORED`]): by the label's rule, or because a date has no data there.
    pub fn has_ignored(&self) -> bool {
        self.has_ignored
    }

    /// Whether a crop has a target pixel.
    ///
    /// # Panics
    /// When there is no such crop.
    pub fn is_marked(&self, index: usize) -> bool {
        self.cells[index].marked
    }

    /// A crop as it is in its files.
    ///
    /// # Errors
    /// A file that can no longer be read.
    ///
    /// # Panics
    /// When there is no such crop.
    pub fn tile(&self, index: usize) -> Result<Tile, DatasetError> {
        let Cell { scene, rows, columns, .. } = self.cells[index];
        let (size, window) = (self.options.size, inside(rows, columns));
        let (images, label) = self.store.window(scene, window, SceneReader::stored_window)?;
        let images = images.into_iter().map(|image| Arc::unwrap_or_clone(image).padded(size, size)).collect();
        let label = label.crop(0, 0, size, size);
        Ok(Tile { scene, y: rows.start, x: columns.start, images, label })
    }

    /// A crop, moved by so many rows and columns as far as its scene allows; what is moved counts wholly.
    ///
    /// # Errors
    /// A file that can no longer be read.
    ///
    /// # Panics
    /// When there is no such crop.
    pub fn sample(&self, index: usize, (down, right): (isize, isize)) -> Result<Sample, DatasetError> {
        let Cell { scene, rows, columns, .. } = self.cells[index];
        let (size, Size { height, width, bands }) = (self.options.size, self.sizes[scene]);
        let moved = |span: Span, by: isize, length: usize| {
            let start = span.start.saturating_add_signed(by).min(length.saturating_sub(size).max(span.start));
            if start == span.start { span } else { Span { start, from: 0, to: size.min(length - start) } }
        };
        let (rows, columns) = (moved(rows, down, height), moved(columns, right, width));
        let window = inside(rows, columns);
        let (images, label) = self.store.window(scene, window, SceneReader::window_and_nodata)?;
        Ok(Sample {
            name: self.store.scenes()[scene].name.clone(),
            y: rows.start,
            x: columns.start,
            height: size,
            width: size,
            bands,
            images: images.iter().map(|image| image.crop_chw_f32(0, 0, size, size)).collect(),
            label: label.crop(0, 0, size, size).data,
            counted: Window { top: rows.from, left: columns.from, bottom: rows.to, right: columns.to },
        })
    }
}

impl Dataset<Sample, DatasetError> for Crops {
    fn get(&self, index: usize) -> Result<Sample, DatasetError> {
        self.sample(index, (0, 0))
    }

    fn len(&self) -> usize {
        self.cells.len()
    }
}

/// The part of a crop that lies within its scene.
fn inside(rows: Span, columns: Span) -> Window {
    Window { top: rows.start, left: columns.start, bottom: rows.start + rows.to, right: columns.start + columns.to }
}

/// Reads a scene, one row of crops at a time on each core.
fn look(store: &Store, scene: usize, options: CropOptions) -> Result<Seen, DatasetError> {
    let size = store.size(scene)?;
    check_largest(options.size, size.bands)?;
    let grid = Grid { size: options.size, stride: options.size - options.overlap, edge: options.edge };
    let (rows, columns) = (grid.spans(size.height), grid.spans(size.width));
    let row = |rows: &Span| {
        let rows = *rows;
        let whole = Span { start: 0, from: 0, to: size.width };
        let (images, label) = store.window(scene, inside(rows, whole), SceneReader::window_and_nodata)?;
        let cells = columns.iter().map(|&columns| {
            let pixels =
                || (0..rows.to).flat_map(|row| (columns.start..columns.start + columns.to).map(move |c| (row, c)));
            let blank = |image: &Raster| pixels().filter(|&(row, column)| image.is_blank(row, column)).count();
            Cell {
                scene,
                rows,
                columns,
                blank: images.iter().any(|image| 2 * blank(image) > rows.to * columns.to),
                marked: pixels().any(|(row, column)| Mask::is_target(label.data[row * label.width + column])),
            }
        });
        let eight_bit = images.iter().all(|image| matches!(image.pixels, Pixels::U8(_)));
        let cells = cells.collect::<Vec<_>>();
        Ok((cells, eight_bit, label.data.contains(&Mask::IGNORED)))
    };
    // Rows of crops of a giant scene are large: no more at a time than fit into little memory.
    let values =
        options.size.saturating_mul(size.width).saturating_mul(size.bands).saturating_mul(options.downsample.pow(2));
    let at_once = (LOOKED_AT / values.max(1)).max(1);
    let mut found = Vec::with_capacity(rows.len());
    for rows in rows.chunks(at_once) {
        found.extend(rows.par_iter().map(row).collect::<Result<Vec<_>, DatasetError>>()?);
    }
    let eight_bit = found.iter().all(|(_, eight_bit, _)| *eight_bit);
    let has_ignored = found.iter().any(|(.., has_ignored)| *has_ignored);
    Ok(Seen { size, eight_bit, has_ignored, cells: found.into_iter().flat_map(|(cells, ..)| cells).collect() })
}

fn check(options: CropOptions) -> Result<(), DatasetError> {
    let CropOptions { size, overlap, .. } = options;
    match size {
        0 => Err(DatasetError::CropZero { smallest: SMALLEST }),
        1..SMALLEST => Err(DatasetError::CropTooSmall { size, smallest: SMALLEST }),
        _ if size > LARGEST => check_largest(size, 1),
        _ if overlap >= size => Err(DatasetError::OverlapTooLarge { overlap, size }),
        _ => Ok(()),
    }
}

/// Crops of so many bands fit into memory, padding and all.
fn check_largest(size: usize, bands: usize) -> Result<(), DatasetError> {
    let largest = (LARGEST_VALUES / bands.max(1)).isqrt().min(LARGEST);
    if size > largest { Err(DatasetError::CropTooLarge { size, largest }) } else { Ok(()) }
}

/// There are scenes, and all have the bands and dates of the first.
fn check_scenes(set: &SceneSet, seen: &[Seen]) -> Result<(), DatasetError> {
    let Some(first) = seen.first() else {
        return Err(DatasetError::NoScenes { split: set.split, layout: set.layout });
    };
    let other = &set.scenes[0];
    for (scene, found) in set.scenes.iter().zip(seen) {
        let (bands, other_bands) = (found.size.bands, first.size.bands);
        if bands != other_bands {
            let (path, other) = (scene.path(Some(0)), other.path(Some(0)));
            return Err(DatasetError::BandsDiffer { path, bands, other, other_bands });
        }
        let (dates, other_dates) = (scene.dates(), other.dates());
        if dates != other_dates {
            let (scene, other) = (scene.name.clone(), other.name.clone());
            return Err(DatasetError::DatesDiffer { scene, dates, other, other_dates });
        }
    }
    Ok(())
}
