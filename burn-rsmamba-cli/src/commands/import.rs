//! `import`: a checkpoint of the official code as our weights file.

use std::path::Path;

use anyhow::Context;
use burn_rsmamba::weights;
use serde::Serialize;

use crate::cli::ImportArgs;
use crate::device;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;

/// What `import` and `export` print.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) to: &'a Path,
    #[serde(flatten)]
    pub(super) config: &'a burn_rsmamba::ModelConfig,
}

/// Makes sure that a file can be written without losing another.
pub(super) fn prepare_target(to: &Path, force: bool) -> Outcome {
    if to.exists() && !force {
        return Err(Failure::usage(format!(
            "--to {} exists already: overwrite it with --force, or name another file",
            to.display()
        )));
    }
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    Ok(())
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
