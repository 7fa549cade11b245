//! `export`: a model as weights for the official PyTorch code.

use burn_rsmamba::weights;

use super::import::{Report, prepare_target};
use crate::cli::ExportArgs;
use crate::device;
use crate::error::{Failure, Outcome};
use crate::model_file;
use crate::output::print_json;
use crate::progress::Progress;

/// Reads `--model`, writes `--to`, prints what model it is.
pub(super) fn run(args: &ExportArgs, progress: &Progress) -> Outcome {
    if !args.to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        return Err(Failure::usage(format!(
            "--to {} must end in .safetensors; PyTorch makes a .pth of it: \
             torch.save(safetensors.torch.load_file(\"FILE.safetensors\"), \"FILE.pth\")",
            args.to.display()
        )));
    }
    prepare_target(&args.to, args.force)?;
    let (model, meta) = model_file::load(&args.model, &device::named(device::DEFAULT)?)?;
    weights::export(&model, &args.to)?;
    progress.info(format!("{} written", args.to.display()));
    print_json(&Report { to: &args.to, config: &meta.config })?;
    Ok(())
}
