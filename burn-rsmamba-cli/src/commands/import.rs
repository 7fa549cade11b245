//! `import`: a checkpoint of the official code as our weights file.

use std::path::Path;

use anyhow::Context;
use burn_rsmamba::weights;
use serde::Serialize;

use crate::cli::ImportArgs;
use crate::device;
use crate::error::{Failure, Outcome};
use crate::progress::Progress;
use crate::report::print_json;

#[derive(Serialize)]
struct Report<'a> {
    to: &'a Path,
    #[serde(flatten)]
    config: &'a burn_rsmamba::ModelConfig,
}

/// Reads `--from`, writes `--to`, prints what model it turned out to be.
pub(super) fn run(args: &ImportArgs, progress: &Progress) -> Outcome {
    if args.to.exists() && !args.force {
        return Err(Failure::usage(format!(
            "--to {} exists already: overwrite it with --force, or name another file",
            args.to.display()
        )));
    }
    if !args.from.is_file() {
        return Err(Failure::run(format!("there is no file {}; check --from", args.from.display())));
    }
    let device = device::named(device::DEFAULT)?;
    let (model, meta) = weights::import(&args.from, args.directions, &device)?;
    if let Some(folder) = args.to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    weights::save(&model, &meta, &args.to)?;
    progress.info(format!("{} written", args.to.display()));
    print_json(&Report { to: &args.to, config: &meta.config })?;
    Ok(())
}
