//! `eval`: the scores of a model on a split.

use anyhow::Context;
use burn_rsmamba_datasets::CropOptions;

use super::windows;
use crate::cli::EvalArgs;
use crate::error::Outcome;
use crate::progress::Progress;
use crate::report::{EvalReport, print_json, write_json};
use crate::training::evaluate::{self, Mapper};
use crate::{data, device, model_file, pictures};

/// Prints the scores as one JSON line.
pub(super) fn run(args: &EvalArgs, progress: &mut Progress) -> Outcome {
    let device = device::named(&args.device)?;
    let (model, meta) = model_file::load(&args.model, &device)?;
    if let Some(task) = args.task {
        model_file::expect_task(&args.model, model.task(), task)?;
    }
    let windows = windows(args.windows, &meta, 0)?;
    // With whole images the crops only say which borders are blank.
    let options = CropOptions { size: windows.size.unwrap_or(meta.crop), overlap: windows.overlap, skip_blank: true };
    let crops = data::crops(&args.data, model.task(), args.split, &args.label_rule, options, progress)?;
    model_file::expect_bands(&args.model, &meta, crops.bands())?;
    let threshold = args.threshold.unwrap_or(meta.threshold);
    let mapper = Mapper { model: &model, meta: &meta, windows, threshold, device: &device };
    if let Some(folder) = &args.pictures {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}; choose another --pictures", folder.display()))?;
    }
    let counts = evaluate::score_scenes(&mapper, &crops, progress, |scored| match &args.pictures {
        Some(folder) => pictures::write_errors(&folder.join(format!("{}_errors.png", scored.scene.name)), scored),
        None => Ok(()),
    })?;
    let report = EvalReport::new(&counts, threshold, windows.size, windows.overlap, crops.scenes().len());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    print_json(&report)?;
    Ok(())
}
