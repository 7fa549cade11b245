//! `import`: a checkpoint of the official code as our weights file.

use std::path::Path;

use burn_rsmamba::weights;
use serde::Serialize;

use crate::cli::ImportArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;
use crate::{aside, device};

/// What `import` and `export` print.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) to: &'a Path,
    #[serde(flatten)]
    pub(super) config: &'a burn_rsmamba::ModelConfig,
}

/// Makes sure that `--to` names weights and can be written without losing another file.
pub(super) fn prepare_target(to: &Path, force: bool) -> Outcome {
    if !to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        return Err(Failure::usage(format!(
            "--to {} must end in .safetensors; PyTorch makes a .pth of what export writes: \
             torch.save(safetensors.torch.load_file(\"FILE.safetensors\"), \"FILE.pth\")",
            to.display()
        )));
    }
    if to.exists() && !force {
        return Err(Failure::usage(format!(
            "--to {} exists already: overwrite it with --force, or name another file",
            to.display()
        )));
    }
    Ok(aside::prepare(to, "--to")?)
}

/// Reads `--from`, writes `--to`, prints what model it turned out to be.
pub(super) fn run(args: &ImportArgs, progress: &Progress) -> Outcome {
    if !args.from.is_file() {
        return Err(Failure::run(format!("there is no file {}; check --from", args.from.display())));
    }
    prepare_target(&args.to, args.force)?;
    let device = device::named(device::DEFAULT)?;
    let (model, meta) = weights::import(&args.from, &device)?;
    weights::save(&model, &meta, &args.to)?;
    progress.info(format!("{} written", args.to.display()));
    print_json(&Report { to: &args.to, config: &meta.config })?;
    Ok(())
}
