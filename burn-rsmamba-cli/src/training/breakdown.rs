//! Steps and weights that are no numbers.

use std::collections::BTreeSet;

use anyhow::anyhow;
use burn::module::Module;
use burn_rsmamba_datasets::Sample;

use super::batch::Batch;
use super::trainer::{Learner, StepRow, Trainer};
use crate::config::NonFinite;
use crate::progress::Progress;

/// Steps whose loss or gradient is no number that may follow each other, where such steps are left out at all.
const MOST_SKIPPED: usize = 10;

impl Trainer<'_> {
    /// An error that names the images, or only a warning where such steps are to be left out and are not too many.
    pub(super) fn not_finite(
        &self,
        row: &StepRow,
        samples: &[Sample],
        in_a_row: usize,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let place = |Sample { name, y, x, .. }: &Sample| format!("{name} at row {y}, column {x}");
        let places: BTreeSet<String> = samples.iter().map(place).collect();
        let places: Vec<String> = places.into_iter().collect();
        let StepRow { epoch, step, loss, grad_norm, .. } = row;
        let what =
            format!("epoch {epoch}, step {step} ({}): loss {loss}, gradient norm {grad_norm}", places.join("; "));
        if self.config.nonfinite == NonFinite::Stop {
            return Err(self.broke_down(&what));
        }
        if in_a_row >= MOST_SKIPPED {
            return Err(self.broke_down(&format!("{what}, like the {} steps before it", in_a_row - 1)));
        }
        progress.warn(format!("{what}; the step is left out"));
        Ok(())
    }

    pub(super) fn broke_down(&self, what: &str) -> anyhow::Error {
        let kept = if self.run.has_state() {
            format!("the last good checkpoint in {} is kept", self.run.root().display())
        } else {
            "there is no checkpoint yet".to_owned()
        };
        let skip = match self.config.nonfinite {
            NonFinite::Stop => ", or leave such steps out with --nonfinite skip",
            NonFinite::Skip => "",
        };
        anyhow!(
            "training broke down in {what}; {kept}; try a smaller --lr or --clip-norm, or a longer --warmup-steps{skip}"
        )
    }

    /// Refuses weights that make no numbers of a batch that was good: a single step may ruin them, and a checkpoint of them would take
    /// the place of a good one.
    pub(super) fn try_out(&self, learner: &Learner) -> anyhow::Result<()> {
        let Learner { model, state, seen, .. } = learner;
        let Some(samples) = seen.chunks(self.config.batch).next() else { return Ok(()) };
        let batch = Batch::new(samples, self.device);
        let logits = model.valid().in_precision(self.config.precision).forward(&batch.dates);
        let loss = self.objective.loss(logits, batch.labels).into_scalar::<f32>();
        if loss.is_finite() {
            return Ok(());
        }
        Err(self.broke_down(&format!("epoch {}, after step {}: the loss is {loss}", state.epoch, state.steps)))
    }
}
