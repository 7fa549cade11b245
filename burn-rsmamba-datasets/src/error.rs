//! The one error type of this crate, and how its messages are worded.

use std::path::PathBuf;

use crate::{Dates, Names, Split, Unpaired, Window};

/// Everything that can be wrong with a dataset.
///
/// Each message is one line that names the file or folder and says how to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The path is not there.
    #[error("{path} does not exist; check the spelling of the path")]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A file where a folder is needed.
    #[error("{path} is a file; give the folder that holds the train, val and test splits")]
    NotAFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The folder holds nothing that can be read.
    #[error("{path} holds no images; put PNG, JPEG, BMP or TIFF files there")]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be read at all.
    #[error("{path} cannot be read ({cause}); check its permissions and the disk")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file could not be written.
    #[error("{path} cannot be written ({cause}); check its permissions and the free space of the disk")]
    CannotWrite {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The folder has none of the known layouts.
    #[error(
        "{root} has no known layout for {dates}: looked for {expected}; found {found}; rename its folders to one of these"
    )]
    NoLayout {
        /// The dataset folder.
        root: PathBuf,
        /// What was asked for.
        dates: Dates,
        /// The known layouts.
        expected: Names,
        /// The folders that are there.
        found: Names,
    },
    /// The layout is known, but this split is not there.
    #[error("{root} has no {split} split ({layout} layout, found {found}); add {expected} or choose another split")]
    MissingSplit {
        /// The dataset folder.
        root: PathBuf,
        /// The split that was asked for.
        split: Split,
        /// The layout that was recognised.
        layout: &'static str,
        /// The folders that would hold the split.
        expected: String,
        /// The splits that are there.
        found: Names,
    },
    /// The folder holds a dataset of the other task.
    #[error(
        "{root} has the {layout} layout of {holds}, not of {asked}; use task {task}", task = holds.task()
    )]
    WrongDates {
        /// The dataset folder.
        root: PathBuf,
        /// The layout that was recognised.
        layout: &'static str,
        /// What it holds.
        holds: Dates,
        /// What was asked for.
        asked: Dates,
    },
    /// Files whose partners are not there.
    #[error("{}; add what is missing, remove the others or allow unpaired files (--allow-unpaired)", list(.0))]
    Unpaired(Vec<Unpaired>),
    /// A list file that cannot be understood.
    #[error(
        "{path}: line {line}: {reason}; write a line a scene, `IMAGE LABEL` or `BEFORE AFTER LABEL`, with paths relative to the \
         list, separated by blanks, commas or tabs"
    )]
    List {
        /// The list.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Two files that differ in nothing but their extension.
    #[error("{first} and {second} have the same name; keep one of them")]
    SameName {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The content is no image, whatever the name says.
    #[error("{path} is not an image ({looks_like}); replace it with a PNG, JPEG, BMP or TIFF file")]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What the content looks like.
        looks_like: String,
    },
    /// The file starts as an image but cannot be decoded to its end.
    #[error("{path} is damaged or cut off ({reason}); copy or download it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A sound image in a form that is not read here.
    #[error("{path} is an image of an unsupported kind ({reason}); convert it to an 8-bit or 16-bit grey or RGB image")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported.
        reason: String,
    },
    /// A TIFF whose tags tell its bands apart in a way that is not read here.
    #[error(
        "{path}: {reason}; store all bands alike: gdal_translate -co PHOTOMETRIC=MINISBLACK -co ALPHA=NO {path} NEW.tif"
    )]
    Bands {
        /// The file.
        path: PathBuf,
        /// What its tags say.
        reason: String,
    },
    /// A sound image, or a block of one, that would take too much memory.
    #[error(
        "{path} is too large ({reason}); what is read by windows may have any size: convert it \
         (gdal_translate -co TILED=YES {path} NEW.tif) or cut it up (data tile)"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        reason: String,
    },
    /// A TIFF that is compressed in a way that is not read here.
    #[error(
        "{path} is compressed by {method}, which this build does not read; {rebuild}convert it: \
         gdal_translate -co COMPRESS=DEFLATE -co TILED=YES {path} NEW.tif"
    )]
    Compression {
        /// The file.
        path: PathBuf,
        /// The compression.
        method: String,
        /// How to build with it, if that is possible.
        rebuild: &'static str,
    },
    /// Images and label of one scene that do not cover the same pixels.
    #[error("{path} is {width}x{height} pixels but {other} is {other_width}x{other_height}; give them the same size")]
    SizesDiffer {
        /// One file.
        path: PathBuf,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// The other file.
        other: PathBuf,
        /// Its width.
        other_width: usize,
        /// Its height.
        other_height: usize,
    },
    /// Georeferenced images of one place that do not cover the same pixels.
    #[error(
        "{other} and {path} do not lie on one grid: {difference}; bring them onto one, for instance with gdalwarp, or resample \
         the second onto the first (--align)"
    )]
    GridsDiffer {
        /// One file.
        path: PathBuf,
        /// The other file, whose numbers come first.
        other: PathBuf,
        /// All that differs.
        difference: String,
    },
    /// A part of a scene that is not inside its files.
    #[error(
        "rows {}..{} and columns {}..{} are not a part of {path}, which is {width}x{height}; change the region",
        .region.top, .region.bottom, .region.left, .region.right
    )]
    Region {
        /// The first file.
        path: PathBuf,
        /// The part.
        region: Window,
        /// The width of the file.
        width: usize,
        /// Its height.
        height: usize,
    },
    /// A file that cannot be resampled onto the grid of another.
    #[error("{path} cannot be aligned: {reason}; reproject or cut it first, for instance with gdalwarp")]
    NotAligned {
        /// The file.
        path: PathBuf,
        /// Why not, with both sides' numbers.
        reason: String,
    },
    /// Images of one set with different numbers of bands.
    #[error("{path} has {bands} bands but {other} has {other_bands}; give all images the same bands")]
    BandsDiffer {
        /// One file.
        path: PathBuf,
        /// Its bands.
        bands: usize,
        /// The other file.
        other: PathBuf,
        /// Its bands.
        other_bands: usize,
    },
    /// Scenes of one set with different numbers of dates.
    #[error("{scene} has {dates} images but {other} has {other_dates}; give all scenes the same dates, one or two")]
    DatesDiffer {
        /// One scene.
        scene: String,
        /// Its images.
        dates: usize,
        /// The other scene.
        other: String,
        /// Its images.
        other_dates: usize,
    },
    /// A label with other values than two plain ones.
    #[error(
        "{path} is not a binary label: it holds the values {values}; convert it to 0 (background) and 255 (target), or say which \
         are target by a label rule, for instance nonzero, threshold:128 or map:2"
    )]
    LabelNotBinary {
        /// The file.
        path: PathBuf,
        /// Some of the values, at most eight.
        values: String,
    },
    /// A label whose file says that one of its values stands for no data, and no rule that says what to do with it.
    #[error(
        "{path} says that {value} stands for no data, and holds it; say by a label rule that such pixels count nowhere \
         (ignore:{value}:auto), or what they mean, for instance nonzero"
    )]
    LabelNodata {
        /// The file.
        path: PathBuf,
        /// The value.
        value: f64,
    },
    /// A label of classes with other values than class indices.
    #[error(
        "{path} holds the values {values}, but its classes are 0 to {}; change the number of classes, or name the value of \
         pixels that count nowhere by a label rule, for instance ignore:255:classes:{classes}",
        classes - 1
    )]
    LabelNotClass {
        /// The file.
        path: PathBuf,
        /// Some of the values that are no class, at most eight.
        values: String,
        /// The number of classes.
        classes: u8,
    },
    /// A label in colours.
    #[error(
        "{path} is a coloured label (found {colour}); convert it to one grey band of 0 (background) and 255 (target), or say \
         which colours are target by a label rule, for instance nonzero or channel:0"
    )]
    LabelColoured {
        /// The file.
        path: PathBuf,
        /// One coloured pixel, its bands in order.
        colour: String,
    },
    /// A label rule names a band that the label does not have.
    #[error("{path} has {bands} band(s), counted from 0, and the label rule asks for channel {band}; choose another")]
    NoSuchBand {
        /// The file.
        path: PathBuf,
        /// The band of the rule.
        band: usize,
        /// What the file has.
        bands: usize,
    },
    /// A scene whose label is needed has none.
    #[error("{scene} has no label; training and scoring need one for every image")]
    NoLabel {
        /// The scene.
        scene: String,
    },
    /// A split without scenes.
    #[error("the {split} split has no scenes ({layout} layout); ask for at least one")]
    NoScenes {
        /// The split.
        split: Split,
        /// The layout it came from.
        layout: &'static str,
    },
    /// Crops of no pixels.
    #[error("crop size is 0; give at least {smallest}")]
    CropZero {
        /// The smallest size.
        smallest: usize,
    },
    /// Crops below what the models take.
    #[error("crop size {size} is too small; give at least {smallest}")]
    CropTooSmall {
        /// The size that was given.
        size: usize,
        /// The smallest size.
        smallest: usize,
    },
    /// Crops that would take too much memory: scenes are padded to them.
    #[error("crop size {size} is too large; give at most {largest}")]
    CropTooLarge {
        /// The size that was given.
        size: usize,
        /// The largest size, for images of so many bands.
        largest: usize,
    },
    /// Crops that would not move on.
    #[error("overlap {overlap} is not smaller than crop size {size}; give at most {most}", most = size.saturating_sub(1))]
    OverlapTooLarge {
        /// The overlap that was given.
        overlap: usize,
        /// The crop size.
        size: usize,
    },
    /// Scenes of which nothing is left when they are made smaller.
    #[error("{scene} is {width}x{height} pixels, too small to be downsampled by {ratio}; choose a smaller ratio")]
    TooSmallToDownsample {
        /// The scene.
        scene: PathBuf,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// The ratio that was asked for; 0 fits nothing.
        ratio: usize,
    },
    /// Windows of a scene that is made smaller.
    #[error("{scene} is downsampled by {ratio}, and windows are read only of scenes as they are; use a ratio of 1")]
    Downsampled {
        /// The scene.
        scene: PathBuf,
        /// The ratio.
        ratio: usize,
    },
    /// Every scene is smaller than a crop, and partial crops are left out.
    #[error(
        "no scene of the {split} split holds a whole crop of {size} pixels; choose a smaller crop, or another edge"
    )]
    NoWholeCrop {
        /// The split.
        split: Split,
        /// The crop size.
        size: usize,
    },
    /// Every crop was blank.
    #[error(
        "nothing is left of {first}: all {skipped} crops of the split are blank; check the images or keep blank crops"
    )]
    AllBlank {
        /// The name of the first scene.
        first: String,
        /// How many crops were skipped.
        skipped: usize,
    },
}

fn list(unpaired: &[Unpaired]) -> String {
    unpaired.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
