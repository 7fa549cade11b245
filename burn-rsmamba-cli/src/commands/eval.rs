//! `eval`: the scores of a model on a split.

use anyhow::Context;
use burn_rsmamba::inference::Windows;
use burn_rsmamba_datasets::{CropOptions, Storage};

use super::{refuse_for_several_classes, windows};
use crate::cli::{EvalArgs, ObjectArgs};
use crate::config::label_rule_of;
use crate::error::{Failure, Outcome};
use crate::mapping::Mapper;
use crate::output::{print_json, write_json};
use crate::progress::Progress;
use crate::scores::{EvalReport, ImageScores, Scoring, write_csv};
use crate::scoring::score_scenes;
use crate::{aside, data, device, mask_file, model_file, pictures};

/// Prints the scores as one JSON line.
pub(super) fn run(args: &EvalArgs, progress: &mut Progress) -> Outcome {
    for (path, flag) in [(&args.csv, "--csv"), (&args.json, "--json")] {
        path.as_deref().map_or(Ok(()), |path| aside::prepare(path, flag))?;
    }
    let device = device::named(&args.device)?;
    device::expect_precision(&device, &args.device, args.precision)?;
    let (model, meta) = model_file::load(&args.model, &device)?;
    let model = model.in_precision(args.precision);
    if let Some(task) = args.task {
        model_file::expect_task(&args.model, model.task(), task)?;
    }
    let windows = windows(args.windows, Windows { size: Some(meta.crop), overlap: 0, ..meta.windows() })?;
    // With whole images the crops only say which borders are blank.
    let options = CropOptions {
        size: windows.size.unwrap_or(meta.crop),
        overlap: windows.overlap,
        downsample: args.downsample.unwrap_or(meta.downsample.get()),
        skip_blank: args.skip_blank,
        ..CropOptions::default()
    };
    let rule = label_rule_of(&args.model, &meta, args.label.label_rule.as_ref(), args.ignore_index)?;
    if meta.config.classes > 1 {
        refuse_for_several_classes(&args.model, args.threshold, args.objects)?;
    }
    let source =
        data::Source { data: &args.data, task: model.task(), rule: &rule, allow_unpaired: args.label.allow_unpaired };
    let crops = source.crops(args.split, options, Storage::default(), progress)?;
    model_file::expect_bands(&args.model, &meta, crops.bands())?;
    let threshold = args.threshold.unwrap_or(meta.threshold);
    if let Some(folder) = &args.maps {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}; choose another --maps", folder.display()))?;
    }
    let mut images = Vec::new();
    let augmented = args.windows.tta;
    let sieve = sieve(args.objects)?;
    let mapper = Mapper { model: &model, meta: &meta, windows, augmented, threshold, sieve, device: &device };
    let scoring = Scoring::new(&mapper, &crops, args.precision);
    let counts = score_scenes(&mapper, &crops, progress, |scored| {
        let name = scored.name;
        images.push(ImageScores { image: name.to_owned(), counts: scored.counts.clone() });
        match &args.maps {
            Some(folder) => pictures::write_errors(&folder.join(mask_file::errors(name)), scored),
            None => Ok(()),
        }
    })?;
    let report = EvalReport { scored: counts.into(), scoring };
    // first: a full disk costs files, not the scores
    print_json(&report)?;
    if let Some(path) = &args.csv {
        write_csv(path, &images, &report.scoring)?;
    }
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    Ok(())
}

/// The least pixels of an object, and whether holes are filled.
fn sieve(objects: ObjectArgs) -> Result<Option<(u64, bool)>, Failure> {
    let Some(area) = objects.min_area else { return Ok(None) };
    let least = area.pixels(None).ok_or_else(|| Failure::usage("eval takes --min-area in pixels, for instance 40"))?;
    Ok(Some((least, objects.fill_holes)))
}
