//! Labels, for `eval` and the tools of `data`.

use std::str::FromStr;

use burn_rsmamba_datasets::LabelRule;
use clap::Args;

/// What the files of labels mean, and what happens to images without one.
#[derive(Clone, Debug, Args)]
pub(crate) struct LabelArgs {
    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.., channel:BAND or classes:N.
    #[arg(long, value_name = "RULE", default_value = "auto", value_parser = LabelRule::from_str)]
    pub(crate) label_rule: LabelRule,

    /// Leave out files without partners (an image without label, a date that is missing) in place of refusing them.
    #[arg(long)]
    pub(crate) allow_unpaired: bool,
}
