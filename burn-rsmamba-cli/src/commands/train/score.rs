//! The end of a training: the best weights on the test split, in numbers and pictures.

use std::time::Instant;

use burn::tensor::Device;
use burn_rsmamba::inference::{Blend, Windows};
use burn_rsmamba::weights;

use super::Splits;
use crate::config::RunConfig;
use crate::error::Outcome;
use crate::mapping::Mapper;
use crate::output::print_json;
use crate::progress::Progress;
use crate::report::{Baselines, ImageScores, RunScores, Scored, Scoring, TrainReport};
use crate::run_folder::RunFolder;
use crate::scoring::score_scenes;
use crate::training::checkpoint::State;
use crate::training::evaluate;
use crate::{html_report, pictures};

/// Pictures written at most; a large split would fill the disk.
const MOST_PICTURES: usize = 32;

/// Pixels of a scene that is shown beside its label.
const LARGEST_COMPARISON: usize = 1 << 26;

/// Scores the best weights, draws the pictures and prints the last line.
pub(super) fn run(
    config: &RunConfig,
    run: &RunFolder,
    state: &State,
    splits: &Splits,
    device: &Device,
    progress: &mut Progress,
    began: Instant,
) -> Outcome {
    let (model, meta) = weights::load(&run.best(), device)?;
    let model = model.in_precision(config.precision);
    let windows = Windows { size: Some(meta.crop), overlap: 0, blend: Blend::None };
    let several = meta.config.classes > 1;
    let mut images = Vec::new();
    let scored: Scored = if several {
        (&evaluate::score_classes(&model, &meta, &splits.test, device, progress)?).into()
    } else {
        let folder = run.predictions()?;
        let mapper = Mapper {
            model: &model,
            meta: &meta,
            windows,
            augmented: false,
            threshold: meta.threshold,
            sieve: None,
            device,
        };
        let counts = score_scenes(&mapper, &splits.test, progress, |scored| {
            let name = scored.name;
            images.push(ImageScores { image: name.to_owned(), counts: scored.counts });
            if images.len() > MOST_PICTURES {
                return Ok(());
            }
            let path = folder.join(format!("{name}.png"));
            // Of a giant scene the errors alone, reduced.
            if scored.width * scored.height > LARGEST_COMPARISON {
                return pictures::write_errors(&path, scored);
            }
            pictures::write_comparison(&path, &splits.test.scene(scored.index)?.images, scored)
        })?;
        (&counts).into()
    };
    let report = TrainReport {
        run: run.root(),
        best_epoch: state.best.first().map(|best| best.epoch),
        split: splits.scored.to_string(),
        scored,
        scoring: Scoring {
            threshold: (!several).then_some(meta.threshold),
            crop: windows.size,
            overlap: windows.overlap,
            images: splits.test.scene_count(),
            arithmetic: config.precision,
        },
        baselines: (!several).then(|| Baselines::measure(&splits.test)).transpose()?,
        seconds: began.elapsed().as_secs_f64(),
    };
    progress.info(format!(
        "{}: F1 {:.4}, IoU {:.4} with the weights of epoch {}{}, files in {}",
        report.split,
        report.scored.scores.f1,
        report.scored.scores.iou,
        report.best_epoch.unwrap_or_default(),
        report.scoring.threshold.map_or_else(String::new, |threshold| format!(" at threshold {threshold:.3}")),
        run.root().display()
    ));
    if let Some(baselines) = &report.baselines {
        progress.info(format!(
            "to compare: all positive F1 {:.4}; best threshold ({}) F1 {:.4}",
            baselines.all_positive.f1, baselines.best_threshold.rule, baselines.best_threshold.f1
        ));
    }
    run.write_scores(&RunScores { report: &report, images_scored: &images })?;
    match html_report::write(run) {
        Ok(path) => progress.info(format!("report: {}", path.display())),
        Err(error) => progress.warn(format!("there is no report: {error:#}")),
    }
    print_json(&report)?;
    Ok(())
}
