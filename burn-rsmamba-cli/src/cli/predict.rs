//! `predict`.

use std::path::PathBuf;
use std::str::FromStr;

use burn_rsmamba::Precision;
use burn_rsmamba_datasets::{LabelRule, Resampling};
use clap::Args;

use super::values::{parse_memory, parse_resampling, parse_threshold};
use super::{ObjectArgs, WindowArgs};

/// Flags of `predict`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
pub(crate) struct PredictArgs {
    /// A weights file, or a run folder (its best weights are taken).
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) model: PathBuf,

    /// Images, folders of images, or patterns as `scenes/*.tif` (the first date for change detection).
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub(crate) input: Vec<PathBuf>,

    /// The second date, for change detection: an image, or images and folders with the same names.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) input2: Vec<PathBuf>,

    /// Resample the second date onto the grid of the first: bilinear or nearest. Both need one reference system and parallel axes.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "bilinear",
        value_parser = parse_resampling)]
    pub(crate) align: Option<Resampling>,

    /// Folder for the masks, `STEM_mask.png` each, or `STEM_mask.tif` of scenes with a georeference and of giant ones: 255 where something is
    /// marked, else 0, and 127 where the image has no data; of models of several classes their indices, and 255 where there are no
    /// data. While a scene is mapped its probabilities are kept there too, four bytes a pixel and class.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the probabilities, `STEM_prob.tif` (32-bit floats); of several classes, that of the likeliest.
    #[arg(long)]
    pub(crate) prob: bool,

    /// Also write the image with the mask over it, `STEM_overlay.png`, reduced to at most 2048 pixels a side.
    #[arg(long)]
    pub(crate) overlay: bool,

    /// Also write what is marked, or every class, as polygons, `STEM_polygons.geojson`, in the scene's reference system, or in pixels
    /// without one.
    #[arg(long)]
    pub(crate) polygons: bool,

    /// What happens to small objects.
    #[command(flatten)]
    pub(crate) objects: ObjectArgs,

    /// Labels of the images, files or folders with the same names: also prints scores and writes `STEM_errors.png`, where white is
    /// rightly marked, red wrongly, blue is missed, orange is of another class, black is rightly not marked, grey does not count.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) labels: Vec<PathBuf>,

    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.., channel:BAND, classes:N or
    /// ignore:VALUE:RULE [default: as the model was trained].
    #[arg(long, value_name = "RULE", value_parser = LabelRule::from_str, requires = "labels")]
    pub(crate) label_rule: Option<LabelRule>,

    /// Label pixels of this value count nowhere.
    #[arg(long, value_name = "VALUE", requires = "labels")]
    pub(crate) ignore_index: Option<u16>,

    /// Also write `index.html`, one page with a picture and figures of every scene.
    #[arg(long)]
    pub(crate) html: bool,

    /// Probability from which a pixel is marked [default: the model's].
    #[arg(long, value_name = "T", value_parser = parse_threshold::<f32>)]
    pub(crate) threshold: Option<f32>,

    /// How each image is cut before it goes through the model.
    #[command(flatten)]
    pub(crate) windows: WindowArgs,

    /// Choose the largest window with which this process stays below while it maps: `800MB`, `2GB`. Memory a pixel is measured first.
    /// Pictures are made afterwards and take up to 70 MB beside the model.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_memory, conflicts_with_all = ["window", "whole"])]
    pub(crate) max_memory: Option<u64>,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

    /// What matrix products and convolutions compute in: f32, bf16 or f16, where the device has them.
    #[arg(long, value_name = "P", default_value_t)]
    pub(crate) precision: Precision,

    /// Overwrite files in `--out`.
    #[arg(long)]
    pub(crate) force: bool,

    /// Go on where an interrupted run stopped: places whose files are all there are left out, and finished rows of the one it was
    /// at are kept. Files that were made of other images or with other settings, or of which no record tells, are refused.
    #[arg(long, conflicts_with = "force")]
    pub(crate) resume: bool,
}
