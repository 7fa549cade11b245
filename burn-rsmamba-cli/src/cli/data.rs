//! `data`.

use std::path::PathBuf;

use burn_rsmamba::Task;
use burn_rsmamba_datasets::{Edge, Split};
use clap::{Args, Subcommand};

use super::LabelArgs;
use super::values::{parse_count, parse_edge, parse_size, parse_three, split_parser, task_parser};

/// Tools for datasets.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Open every file of every split: sizes, samples, target and blank pixels, and what has to be mended.
    Check(DataArgs),
    /// Measure mean and deviation of each band of the training split.
    Stats(DataArgs),
    /// Cut scenes into tiles, which keep their georeference.
    Tile(TileArgs),
    /// Divide scenes into train, val and test; tiles of one scene stay together.
    Split(SplitArgs),
    /// Copy a small random part of a dataset.
    Sample(SampleArgs),
    /// Draw a contact sheet of scenes with their labels.
    Preview(PreviewArgs),
    /// Rank the masks of two prediction folders by how much they differ; a JSON line a pair.
    Compare(CompareArgs),
}

/// Flags of the tools that only look.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    /// A dataset folder, or `demo`.
    #[arg(long, value_name = "PATH|demo")]
    pub(crate) data: String,

    /// Segmentation (ss) or change detection (cd).
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Task,

    /// What labels mean.
    #[command(flatten)]
    pub(crate) label: LabelArgs,
}

/// What a tool works on: all splits of a dataset, or folders that are not split yet.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceArgs {
    /// A dataset folder, or `demo`; all its splits.
    #[arg(long, value_name = "PATH|demo", requires = "task", conflicts_with = "images")]
    pub(crate) data: Option<String>,

    /// Segmentation (ss) or change detection (cd).
    #[arg(long, value_parser = task_parser())]
    pub(crate) task: Option<Task>,

    /// In place of --data: a folder of images.
    #[arg(long, value_name = "DIR", requires = "labels")]
    pub(crate) images: Option<PathBuf>,

    /// The images of the second date.
    #[arg(long, value_name = "DIR", requires = "images")]
    pub(crate) images2: Option<PathBuf>,

    /// The labels of these images, with the same names.
    #[arg(long, value_name = "DIR", requires = "images")]
    pub(crate) labels: Option<PathBuf>,

    /// What labels mean.
    #[command(flatten)]
    pub(crate) label: LabelArgs,
}

/// Where a tool writes, and what it works on; each says in its own words what goes to `out`.
#[derive(Debug, Args)]
pub(crate) struct WriteArgs {
    /// Where files go.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// Write; without it, only say what would be written.
    #[arg(long)]
    pub(crate) apply: bool,

    /// The scenes.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// How scenes are drawn.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DrawArgs {
    /// Seed of the draw.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
}

/// Flags of `data tile`.
#[derive(Debug, Args)]
#[command(mut_arg("out", |out| out.help("Where the tiles go")))]
pub(crate) struct TileArgs {
    /// Side of a tile in pixels.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = parse_size)]
    pub(crate) size: usize,

    /// Pixels from one tile to the next [default: the size].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) stride: Option<usize>,

    /// What happens at the border of a scene: shift (the last tile moves back), pad (it repeats the last pixels) or drop.
    #[arg(long, default_value = "shift", value_name = "HOW", value_parser = parse_edge)]
    pub(crate) edge: Edge,

    /// Keep tiles that are blank for more than half.
    #[arg(long)]
    pub(crate) keep_blank: bool,

    /// What is written.
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Flags of `data split`.
#[derive(Debug, Args)]
#[command(mut_arg("out", |out| out.help("Where the splits and their lists go")))]
pub(crate) struct SplitArgs {
    /// Parts of the scenes for train, val and test, for instance 0.7,0.1,0.2.
    #[arg(long, value_name = "A,B,C", value_parser = parse_three::<f64>, conflicts_with_all = ["count", "lists"])]
    pub(crate) ratio: Option<[f64; 3]>,

    /// Scenes for train, val and test.
    #[arg(long, value_name = "A,B,C", value_parser = parse_three::<usize>, conflicts_with = "lists")]
    pub(crate) count: Option<[usize; 3]>,

    /// A folder with train.txt, val.txt and test.txt: a name without extension a line.
    #[arg(long, value_name = "DIR")]
    pub(crate) lists: Option<PathBuf>,

    /// How scenes are drawn.
    #[command(flatten)]
    pub(crate) draw: DrawArgs,

    /// Files whose names are the same up to this text show one place and stay together, as tiles of `data tile` always do.
    #[arg(long, value_name = "TEXT")]
    pub(crate) place_until: Option<String>,

    /// What is written.
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Flags of `data sample`.
#[derive(Debug, Args)]
#[command(mut_arg("out", |out| out.help("Where the copies go")))]
pub(crate) struct SampleArgs {
    /// Scenes of each split.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_count)]
    pub(crate) count: usize,

    /// How scenes are drawn.
    #[command(flatten)]
    pub(crate) draw: DrawArgs,

    /// What is written.
    #[command(flatten)]
    pub(crate) write: WriteArgs,
}

/// Flags of `data preview`.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Only scenes of this split.
    #[arg(long, value_name = "NAME", value_parser = split_parser())]
    pub(crate) split: Option<Split>,

    /// Scenes on the sheet.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = parse_count)]
    pub(crate) count: usize,

    /// Largest side of a picture in pixels.
    #[arg(long, value_name = "N", default_value_t = 192, value_parser = clap::value_parser!(u32).range(8..=2048))]
    pub(crate) side: u32,

    /// How scenes are drawn.
    #[command(flatten)]
    pub(crate) draw: DrawArgs,

    /// The PNG to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// The scenes.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

/// Flags of `data compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A folder of masks, as `predict` leaves it: 255 (or 1) is marked, 0 is not; what is 127, without data, in either of two
    /// masks does not count.
    #[arg(long, value_name = "DIR")]
    pub(crate) first: PathBuf,

    /// Another one, of the same images.
    #[arg(long, value_name = "DIR")]
    pub(crate) second: PathBuf,

    /// Print only the pairs that differ most.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) top: Option<usize>,

    /// The masks hold indices of classes, and 255 where there are no data, as those of models of several classes.
    #[arg(long)]
    pub(crate) classes: bool,
}
