//! `train`.

use std::path::PathBuf;

use clap::Args;

use super::values::parse_assignment;
use crate::config::Flags;

/// Flags of `train`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one a flag")]
pub(crate) struct TrainArgs {
    /// The run folder to write: config, metrics, checkpoints, pictures.
    #[arg(long, value_name = "RUN", required_unless_present = "print_config")]
    pub(crate) out: Option<PathBuf>,

    /// Draw curves and progress on the terminal in place of a bar.
    #[arg(long)]
    pub(crate) tui: bool,

    /// Settings file in TOML; flags win over it. The `config.toml` of a run folder repeats that run.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(crate) config: Option<PathBuf>,

    /// Continue the run in `--out` where it stopped.
    #[arg(long, conflicts_with = "force")]
    pub(crate) resume: bool,

    /// Overwrite the run in `--out`.
    #[arg(long)]
    pub(crate) force: bool,

    /// Print the settings these flags lead to, as TOML, and stop.
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Settings that a config file may hold too.
    #[command(flatten)]
    pub(crate) flags: Flags,

    /// Any other setting of the config file, e.g. `--set beta_1=0.8` or `--set model.drop_path=0`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_assignment)]
    pub(crate) assignments: Vec<(String, String)>,
}
