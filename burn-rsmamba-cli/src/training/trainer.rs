//! The training loop: steps, validations and checkpoints, until the epochs or the time are over.

use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn_rsmamba::optim::{FusedAdamWConfig, clip_grad_norm};
use burn_rsmamba::weights::{self, WeightsError};
use burn_rsmamba::{ModelMeta, RsmModel};
use burn_rsmamba_datasets::{Crops, Loader, Purpose, Sample, seed};
use serde::Serialize;

use super::batch::{self, Batch};
use super::checkpoint::{self, State, Validated};
use super::evaluate::{self, Validation, ValidationSettings};
use super::schedule::Schedule;
use crate::config::{NonFinite, Objective, RunConfig};
use crate::progress::{EpochPoint, Progress, spell};
use crate::run_folder::{Moment, RunFolder};
use crate::scores::Scores;
use crate::{fault, interrupt};

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All epochs are done.
    Finished,
    /// `--max-minutes` is over.
    OutOfTime,
    /// Validation stopped getting better.
    NoBetter,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// What training works on and with; it changes nothing but the run folder.
pub(crate) struct Trainer<'a> {
    /// The settings.
    pub(crate) config: &'a RunConfig,
    /// What it minimises.
    pub(crate) objective: &'a Objective,
    /// Where everything is written.
    pub(crate) run: &'a RunFolder,
    /// What is written beside the weights.
    pub(crate) meta: &'a ModelMeta,
    /// The training split; what it calls a batch is a step here.
    pub(crate) train: &'a Loader,
    /// The split the best epoch is chosen by.
    pub(crate) val: &'a Crops,
    /// The device, without autodiff.
    pub(crate) device: &'a Device,
    /// The same for the training steps.
    pub(crate) autodiff: Device,
    /// When the command began.
    pub(crate) began: Instant,
}

/// What training changes.
pub(crate) struct Learner {
    /// The model, tracked.
    pub(crate) model: RsmModel,
    /// Its optimiser.
    pub(crate) optimizer: ModuleOptimizer,
    /// Where the run stands.
    pub(crate) state: State,
    /// The last batch whose loss was a number, to try weights with.
    pub(crate) seen: Vec<Sample>,
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Serialize)]
struct Row {
    epoch: usize,
    /// Nothing where every step was left out.
    train_loss: Option<f64>,
    valid_loss: Option<f64>,
    lr: f64,
    seconds: f64,
    /// Steps left out since the start of the run.
    skipped: usize,
    #[serde(flatten)]
    scores: Option<Scores>,
    threshold: Option<f32>,
}

/// A line of `steps.jsonl`.
#[derive(Debug, Serialize)]
pub(super) struct StepRow {
    pub(super) epoch: usize,
    pub(super) step: usize,
    /// Like the norm nothing (`null`) where it is no number: then the step was left out.
    pub(super) loss: f64,
    pub(super) grad_norm: f64,
    pub(super) lr: f64,
}

/// The optimiser of these settings.
pub(crate) fn optimizer(config: &RunConfig) -> ModuleOptimizer {
    let config = FusedAdamWConfig {
        beta_1: config.beta_1 as f32,
        beta_2: config.beta_2 as f32,
        epsilon: config.epsilon as f32,
        weight_decay: config.weight_decay as f32,
    };
    config.init()
}

impl Trainer<'_> {
    /// Trains until the epochs or the time are over, or the user stops it.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or the loss is no longer a number; the checkpoints stay.
    pub(crate) fn run(&self, mut learner: Learner, progress: &mut Progress) -> anyhow::Result<(Ending, State)> {
        let schedule = Schedule::new(self.config, self.steps());
        // Validating takes time too: what the last one took is kept back.
        let mut reserve = 0.0;
        let mut kept = Instant::now();
        learner.state.named_before = learner.state.named();
        if let Some(ending) = self.no_better(&learner.state) {
            return Ok((ending, learner.state));
        }
        while learner.state.epoch <= self.config.epochs {
            let started = Instant::now();
            let spent = learner.state.seconds;
            learner = self.epoch(learner, &schedule, reserve, &mut kept, progress)?;
            let stop = self.over(reserve);
            let mut validation = None;
            if stop != Some(Ending::Interrupted) && (stop.is_some() || self.is_validated(learner.state.epoch)) {
                let validating = Instant::now();
                validation = self.validate(&learner.model, learner.state.epoch, progress)?;
                reserve = validating.elapsed().as_secs_f64();
            }
            learner.state.seconds = spent + started.elapsed().as_secs_f64();
            if interrupt::requested() {
                self.checkpoint(&mut learner, validation.is_some())?;
                return Ok((Ending::Interrupted, learner.state));
            }
            let complete = learner.state.steps >= self.steps();
            // One that only the end of the time has brought about would not be there in a run in one piece.
            let counts = complete && self.is_validated(learner.state.epoch);
            self.close_epoch(&mut learner, &schedule, validation, counts, progress)?;
            let epoch = learner.state.epoch;
            let last = complete && epoch == self.config.epochs;
            let stop = stop.or_else(|| self.no_better(&learner.state));
            if complete {
                learner.state.next_epoch();
            }
            let due = self.is_due(kept) || epoch.is_multiple_of(self.config.checkpoint_every);
            if stop.is_some() || last || validation.is_some() || due {
                self.checkpoint(&mut learner, validation.is_some())?;
                kept = Instant::now();
            }
            if let Some(ending) = stop.filter(|_| !last) {
                return Ok((ending, learner.state));
            }
        }
        Ok((Ending::Finished, learner.state))
    }

    /// Takes the steps that are left of the epoch, or those there is time for.
    fn epoch(
        &self,
        mut learner: Learner,
        schedule: &Schedule,
        reserve: f64,
        kept: &mut Instant,
        progress: &mut Progress,
    ) -> anyhow::Result<Learner> {
        let (run, epoch) = (self.config.seed, learner.state.epoch);
        let first = learner.state.steps;
        let steps = batch::steps(self.train, epoch, first, &self.meta.normalisation);
        progress.start(format!("epoch {epoch}/{}", self.config.epochs), steps.len());
        for (index, samples) in (first..).zip(steps) {
            let samples = samples?;
            // Drop path draws from the device's generator.
            self.device.seed(seed(run, Purpose::Step, epoch, index));
            let lr = schedule.lr(&learner.state.position, epoch, index);
            learner = self.step(learner, samples, lr, progress)?;
            progress.advance(format!("loss {:.3}", learner.state.train_loss().unwrap_or(f64::NAN)));
            if self.over(reserve).is_some() {
                break;
            }
            if self.is_due(*kept) {
                self.checkpoint(&mut learner, false)?;
                *kept = Instant::now();
            }
        }
        progress.finish();
        Ok(learner)
    }

    /// One step of the optimiser, by the gradients of one batch or of several added up.
    fn step(&self, learner: Learner, samples: Vec<Sample>, lr: f64, progress: &Progress) -> anyhow::Result<Learner> {
        let Learner { model, mut optimizer, mut state, seen } = learner;
        // A forward pass leaves its trace in the running statistics, whatever becomes of the step.
        let skips = self.config.nonfinite == NonFinite::Skip;
        let running: Vec<_> = if skips {
            model.batch_norms().into_iter().map(|norm| (norm, norm.running())).collect()
        } else {
            Vec::new()
        };
        let mut sum = GradientsAccumulator::new();
        let mut loss_sum = 0.0;
        for samples_of_batch in samples.chunks(self.config.batch) {
            let batch = Batch::new(samples_of_batch, &self.autodiff);
            let logits = model.clone().in_precision(self.config.precision).forward(&batch.dates);
            let loss = self.objective.loss(logits, batch.labels);
            let part = samples_of_batch.len() as f64;
            loss_sum += f64::from(loss.clone().into_scalar::<f32>()) * part;
            // a single batch keeps its gradients to the bit
            let loss =
                if samples_of_batch.len() == samples.len() { loss } else { loss * (part / samples.len() as f64) };
            sum.accumulate(&model, GradientsParams::from_grads(loss.backward(), &model));
        }
        let loss = loss_sum / samples.len() as f64;
        let (grads, norm) = clip_grad_norm(&model, sum.grads(), self.config.clip_norm);
        state.position.step += 1;
        state.steps += 1;
        let row = StepRow { epoch: state.epoch, step: state.steps, loss, grad_norm: norm, lr };
        let skipped = !(loss.is_finite() && norm.is_finite());
        let logged = self.config.log_every > 0;
        if logged && (skipped || state.position.step.is_multiple_of(self.config.log_every)) {
            self.run.append_step(&row)?;
        }
        if skipped {
            state.skipped += 1;
            state.skipped_in_a_row += 1;
            self.not_finite(&row, &samples, state.skipped_in_a_row, progress)?;
            for (norm, before) in running {
                norm.set_running(before);
            }
            return Ok(Learner { model, optimizer, state, seen });
        }
        state.skipped_in_a_row = 0;
        state.samples += samples.len();
        state.loss_sum += loss_sum;
        let model = optimizer.step(lr, model, grads);
        Ok(Learner { model, optimizer, state, seen: samples })
    }

    fn validate(&self, model: &RsmModel, epoch: usize, progress: &mut Progress) -> anyhow::Result<Option<Validation>> {
        let settings = ValidationSettings {
            config: self.config,
            objective: self.objective,
            normalisation: &self.meta.normalisation,
        };
        let found = evaluate::validate(
            &model.valid().in_precision(self.config.precision),
            self.val,
            settings,
            self.device,
            progress,
        )?;
        match found {
            Some(Validation { loss, .. }) if !loss.is_finite() => {
                Err(self.broke_down(&format!("epoch {epoch}: validation loss {loss}")))
            }
            found => Ok(found),
        }
    }

    /// Keeps what the epoch gave: weights that are better, its line of metrics, the next learning rate where the validation
    /// `counts`.
    fn close_epoch(
        &self,
        learner: &mut Learner,
        schedule: &Schedule,
        validation: Option<Validation>,
        counts: bool,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let Learner { model, state, .. } = learner;
        let row = Row {
            epoch: state.epoch,
            train_loss: state.train_loss(),
            valid_loss: validation.map(|found| found.loss),
            lr: schedule.last_lr(&state.position, state.epoch, state.steps),
            seconds: state.seconds,
            skipped: state.skipped,
            scores: validation.map(|found| found.scores),
            threshold: validation.and_then(|found| found.threshold),
        };
        let mut note = "";
        if let Some(Validation { loss, scores, threshold }) = validation {
            state.threshold = threshold;
            let steps = if state.steps >= self.steps() { 0 } else { state.steps };
            let moment = Moment { epoch: state.epoch, steps };
            let found = Validated { moment, f1: scores.f1, loss };
            let best = if counts { state.observe(found, self.config.keep_best) } else { state.observe_early(found) };
            if best {
                note = ", best so far";
            }
            if state.keeps(&found) {
                self.write_weights(model, state, &self.run.weights_of(moment)?)?;
            }
            if counts && schedule.observe(&mut state.position, found.f1) {
                progress
                    .info(format!("no better F1 for {} validations: the learning rate falls", self.config.patience));
            }
        }
        self.run.append_metrics(&row)?;
        progress.epoch(EpochPoint {
            epoch: row.epoch,
            train_loss: row.train_loss.unwrap_or(f64::NAN),
            validation: validation.map(|found| (found.loss, found.scores.f1)),
        });
        let scores = row.scores.map_or_else(String::new, |scores| {
            format!(
                ", valid loss {:.4}, F1 {:.4}, IoU {:.4}{note}",
                row.valid_loss.unwrap_or_default(),
                scores.f1,
                scores.iou
            )
        });
        progress.info(format!(
            "epoch {}/{}: loss {}{scores}, lr {:.1e}, {}{}",
            row.epoch,
            self.config.epochs,
            row.train_loss.map_or_else(|| "none, every step was left out".into(), |loss| format!("{loss:.4}")),
            row.lr,
            spell(row.seconds),
            self.time_left(&row)
        ));
        Ok(())
    }

    /// How long the epochs after this one take if they are like it, and no longer than the run may.
    fn time_left(&self, row: &Row) -> String {
        let epochs = row.seconds * self.config.epochs.saturating_sub(row.epoch) as f64;
        let limit = self.config.max_minutes.map(|minutes| minutes * 60.0 - self.began.elapsed().as_secs_f64());
        match limit.map_or(epochs, |limit| epochs.min(limit)) {
            left if left > 0.0 => format!(", about {} left", spell(left)),
            _ => String::new(),
        }
    }

    /// Whether a checkpoint is due, by when the last one was kept.
    fn is_due(&self, kept: Instant) -> bool {
        kept.elapsed().as_secs_f64() >= self.config.checkpoint_minutes * 60.0
    }

    /// Keeps everything the run needs to go on from here; weights that no validation has shown to be sound are tried first.
    fn checkpoint(&self, learner: &mut Learner, validated: bool) -> anyhow::Result<()> {
        let _checkpoint = fault::Checkpoint::begin();
        if !validated {
            self.try_out(learner)?;
        }
        self.write_weights(&learner.model, &learner.state, &self.run.last())?;
        fault::point();
        checkpoint::save(self.run, &learner.state, &learner.model, &learner.optimizer)?;
        learner.state.named_before = learner.state.named();
        Ok(())
    }

    /// Writes weights with the threshold of the last validation; they are finite.
    fn write_weights(&self, model: &RsmModel, state: &State, path: &Path) -> anyhow::Result<()> {
        let threshold = state.threshold.unwrap_or(self.meta.threshold);
        match weights::save(&model.valid(), &ModelMeta { threshold, ..self.meta.clone() }, path) {
            Err(error @ WeightsError::NotFinite { .. }) => {
                Err(self.broke_down(&format!("epoch {}, step {}: {error}", state.epoch, state.steps)))
            }
            written => Ok(written?),
        }
    }

    /// Steps of an epoch.
    fn steps(&self) -> usize {
        self.train.steps()
    }

    fn is_validated(&self, epoch: usize) -> bool {
        let (from, every) = (self.config.validate_from, self.config.validate_every);
        epoch == self.config.epochs || (epoch >= from && (epoch - from).is_multiple_of(every))
    }

    /// Whether validation has stopped getting better.
    fn no_better(&self, state: &State) -> Option<Ending> {
        (state.since_best >= self.config.early_stop?).then_some(Ending::NoBetter)
    }

    /// Whether to stop now, and why.
    fn over(&self, reserve: f64) -> Option<Ending> {
        if interrupt::requested() {
            return Some(Ending::Interrupted);
        }
        let limit = self.config.max_minutes? * 60.0 - reserve;
        (self.began.elapsed().as_secs_f64() >= limit).then_some(Ending::OutOfTime)
    }
}
