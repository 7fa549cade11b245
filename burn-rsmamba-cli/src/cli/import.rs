//! `import`.

use std::path::PathBuf;

use burn_rsmamba::Directions;
use clap::Args;

use super::values::directions_parser;

/// Flags of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The checkpoint: a `.pth` of the official code, or a safetensors file with its names.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,

    /// The weights file to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) to: PathBuf,

    /// Scan directions, where the shapes leave a choice: 8, 4, 2 or 1 [default: from the shapes].
    #[arg(long, value_name = "N", value_parser = directions_parser())]
    pub(crate) directions: Option<Directions>,

    /// Overwrite `--to`.
    #[arg(long)]
    pub(crate) force: bool,
}
