//! The minimum mapping unit, for `eval` and `predict`.

use clap::Args;

use super::MinArea;

/// What happens to small objects.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ObjectArgs {
    /// Take away what is smaller than this: pixels (`40`) or square units of the scene's reference system (`25u2`, of predict).
    #[arg(long, value_name = "AREA")]
    pub(crate) min_area: Option<MinArea>,

    /// Fill holes that are smaller than `--min-area`.
    #[arg(long, requires = "min_area")]
    pub(crate) fill_holes: bool,
}
