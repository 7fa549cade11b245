//! `eval`: the scores of a model on a split.

use burn_rsmamba::inference::Windows;
use burn_rsmamba_datasets::CropOptions;

use super::windows;
use crate::cli::EvalArgs;
use crate::error::Outcome;
use crate::progress::Progress;
use crate::report::{EvalReport, print_json, write_json};
use crate::training::evaluate::{self, Mapper};
use crate::{data, device, model_file};

/// Prints the scores as one JSON line.
pub(super) fn run(args: &EvalArgs, progress: &mut Progress) -> Outcome {
    let device = device::named(&args.device)?;
    let (model, meta) = model_file::load(&args.model, &device)?;
    if let Some(task) = args.task {
        model_file::expect_task(&args.model, model.task(), task)?;
    }
    let windows = windows(args.windows, Windows { size: Some(meta.crop), overlap: 0, ..meta.windows() })?;
    // With whole images the crops only say which borders are blank.
    let options = CropOptions { size: windows.size.unwrap_or(meta.crop), overlap: windows.overlap, skip_blank: true };
    let (rule, allow_unpaired) = (&args.label_rule, args.allow_unpaired);
    let crops = data::crops(&args.data, model.task(), args.split, rule, allow_unpaired, options, progress)?;
    model_file::expect_bands(&args.model, &meta, crops.bands())?;
    let threshold = args.threshold.unwrap_or(meta.threshold);
    let augmented = args.windows.tta;
    let mapper = Mapper { model: &model, meta: &meta, windows, augmented, threshold, device: &device };
    let counts = evaluate::score_scenes(&mapper, &crops, progress, |_| Ok(()))?;
    let report = EvalReport::new(&counts, threshold, windows.size, windows.overlap, crops.scenes().len());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    print_json(&report)?;
    Ok(())
}
