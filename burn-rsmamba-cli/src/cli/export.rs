//! `export`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// A run folder or a weights file.
    #[arg(long, value_name = "RUN|FILE")]
    pub(crate) model: PathBuf,

    /// The file to write, with the official names and layouts.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) to: PathBuf,

    /// Overwrite `--to`.
    #[arg(long)]
    pub(crate) force: bool,
}
