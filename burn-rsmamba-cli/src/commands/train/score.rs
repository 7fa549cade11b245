//! The end of a training: the best weights on the test split, in numbers and pictures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use burn::tensor::Device;
use burn_rsmamba::inference::{Blend, Windows};
use burn_rsmamba::weights;

use super::Splits;
use crate::config::RunConfig;
use crate::error::Outcome;
use crate::mapping::Mapper;
use crate::output::print_json;
use crate::progress::Progress;
use crate::run_folder::RunFolder;
use crate::scores::{Baselines, ImageScores, RunScores, Scoring, TrainReport};
use crate::scoring::score_scenes;
use crate::training::checkpoint::State;
use crate::{html_report, pictures};

/// Scenes of which pictures are written in any case; those of a large split would fill the disk.
const MOST_PICTURES: usize = 32;
/// Pictures of the worst of the others.
const WORST: usize = html_report::PICTURES;

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
    // Those of scenes that are no longer among the worst would stand beside new scores.
    run.forget_predictions()?;
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
    let mut worst = Worst::default();
    let counts = score_scenes(&mapper, &splits.test, progress, |scored| {
        let name = scored.name;
        images.push(ImageScores { image: name.to_owned(), counts: scored.counts.clone() });
        let path = folder.join(format!("{name}.png"));
        if images.len() > MOST_PICTURES && !worst.takes(scored.counts.wrong(), &path)? {
            return Ok(());
        }
        run.own_picture(&path)?;
        // Of a giant scene the errors alone, reduced.
        if scored.width * scored.height > LARGEST_COMPARISON {
            return pictures::write_errors(&path, scored);
        }
        pictures::write_comparison(&path, &splits.test.scene(scored.index)?.images, scored)
    })?;
    let report = TrainReport {
        run: run.root(),
        best_epoch: state.best().map(|best| best.moment.epoch),
        split: splits.scored.to_string(),
        scored: counts.into(),
        scoring: Scoring::new(&mapper, &splits.test, config.precision),
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

/// The worst scenes so far, by the share of pixels that are wrong, and their pictures.
#[derive(Default)]
struct Worst(Vec<(f64, PathBuf)>);

impl Worst {
    /// Whether a scene is among the worst; the picture of the one in whose place it comes is taken away.
    fn takes(&mut self, wrong: f64, path: &Path) -> anyhow::Result<bool> {
        let place = self.0.partition_point(|(other, _)| *other >= wrong);
        if place == WORST {
            return Ok(false);
        }
        self.0.insert(place, (wrong, path.to_owned()));
        if self.0.len() > WORST
            && let Some((_, path)) = self.0.pop()
        {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_the_worst_are_kept() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-worst-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut worst = Worst::default();
        for (index, wrong) in [0.1, 0.5, 0.2, 0.3, 0.1, 0.4, 0.0, 0.6].into_iter().enumerate() {
            let path = folder.join(format!("{index}.png"));
            if worst.takes(wrong, &path).unwrap() {
                std::fs::write(&path, "").unwrap();
            }
        }
        let mut left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, ["1.png", "3.png", "5.png", "7.png"]);
    }
}
