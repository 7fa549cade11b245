//! `predict`.

use std::path::PathBuf;

use clap::Args;

use super::values::parse_threshold;
use super::{MinArea, WindowArgs};

/// Flags of `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A weights file, or a run folder (its best weights are taken).
    #[arg(long, value_name = "FILE|RUN")]
    pub(crate) model: PathBuf,

    /// An image, or a folder of images (the first date for change detection).
    #[arg(long, value_name = "PATH")]
    pub(crate) input: PathBuf,

    /// The second date, for change detection: an image, or a folder with the same names.
    #[arg(long, value_name = "PATH")]
    pub(crate) input2: Option<PathBuf>,

    /// Folder for the masks, `STEM_mask.png` each.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Also write the probabilities, `STEM_prob.tif` (32-bit floats).
    #[arg(long)]
    pub(crate) prob: bool,

    /// Also write the image with the mask over it, `STEM_overlay.png`, reduced to at most 2048 pixels a side.
    #[arg(long)]
    pub(crate) overlay: bool,

    /// Also write what is marked as polygons, `STEM_polygons.geojson`, in the scene's reference system, or in pixels without one.
    #[arg(long)]
    pub(crate) polygons: bool,

    /// Take away what is smaller than this: pixels (`40`) or square units of the scene's reference system (`25u2`).
    #[arg(long, value_name = "AREA")]
    pub(crate) min_area: Option<MinArea>,

    /// Fill holes that are smaller than `--min-area`.
    #[arg(long, requires = "min_area")]
    pub(crate) fill_holes: bool,

    /// Also write `index.html`, one page with a picture and figures of every scene.
    #[arg(long)]
    pub(crate) html: bool,

    /// Probability from which a pixel is marked [default: the model's].
    #[arg(long, value_name = "T", value_parser = parse_threshold::<f32>)]
    pub(crate) threshold: Option<f32>,

    /// How each image is cut before it goes through the model.
    #[command(flatten)]
    pub(crate) windows: WindowArgs,

    /// Where to run; see `devices`.
    #[arg(long, value_name = "D", default_value = crate::device::DEFAULT)]
    pub(crate) device: String,

    /// Overwrite files in `--out`.
    #[arg(long)]
    pub(crate) force: bool,
}
