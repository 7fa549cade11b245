//! Labels, for `eval`, `predict` and the tools of `data`.

use std::str::FromStr;

use burn_rsmamba_datasets::LabelRule;
use clap::Args;

/// What the files of labels mean, and what happens to images without one.
#[derive(Clone, Debug, Args)]
pub(crate) struct LabelArgs {
    /// Which pixels of a label are target: auto, nonzero, threshold:VALUE, map:VALUE,.., channel:BAND, classes:N or
    /// ignore:VALUE:RULE [default: auto, or as the model was trained].
    #[arg(long, value_name = "RULE", value_parser = LabelRule::from_str)]
    pub(crate) label_rule: Option<LabelRule>,

    /// Leave out files without partners (an image without label, a date that is missing) in place of refusing them.
    #[arg(long)]
    pub(crate) allow_unpaired: bool,
}

impl LabelArgs {
    /// The rule where there is no model to ask.
    pub(crate) fn rule(&self) -> LabelRule {
        self.label_rule.clone().unwrap_or_default()
    }
}
