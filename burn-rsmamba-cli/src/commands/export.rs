//! `export`: a model as weights for the official PyTorch code.

use burn_rsmamba::weights;

use super::import::{Report, prepare_target};
use crate::cli::ExportArgs;
use crate::device;
use crate::error::Outcome;
use crate::model_file;
use crate::output::print_json;
use crate::progress::Progress;

/// Reads `--model`, writes `--to`, prints what model it is.
pub(super) fn run(args: &ExportArgs, progress: &Progress) -> Outcome {
    prepare_target(&args.to, args.force)?;
    let (model, meta) = model_file::load(&args.model, &device::named(device::DEFAULT)?)?;
    weights::export(&model, &args.to)?;
    progress.info(format!("{} written", args.to.display()));
    print_json(&Report { to: &args.to, config: &meta.config })?;
    Ok(())
}
