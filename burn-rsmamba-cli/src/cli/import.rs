//! `import`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The checkpoint: a `.pth` of the official code, or a safetensors file with its names.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,

    /// The weights file to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) to: PathBuf,

    /// Overwrite `--to`.
    #[arg(long)]
    pub(crate) force: bool,
}
