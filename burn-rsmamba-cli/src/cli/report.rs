//! `report`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The run folder, of a training that is over or still under way.
    #[arg(long, value_name = "RUN")]
    pub(crate) run: PathBuf,
}
