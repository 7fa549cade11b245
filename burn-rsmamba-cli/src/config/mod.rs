//! The settings of a training run: defaults, a TOML file and flags, laid over each other in that order.
//!
//! Every layer is a TOML table whose keys are the fields of [`RunConfig`]; the last one to name a key wins, and a key
//! nobody knows is an error. What comes out is complete: written to `config.toml`, it repeats the run.

mod changes;
mod check;
mod flags;
mod layers;
mod model;
mod objective;
#[cfg(test)]
mod tests;
mod threshold;

use std::path::PathBuf;

use anyhow::Context;
use burn_rsmamba::{ModelConfig, Precision, Task};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::error::Failure;

pub(crate) use changes::Change;
pub(crate) use flags::Flags;
pub(crate) use layers::ConfigFile;
use layers::{NONE, assign, overlay};
use model::ModelSection;
pub(crate) use model::preset;
pub(crate) use objective::{LossName, Objective, label_rule_of};
pub(crate) use threshold::Threshold;

/// The value of `data` that stands for the generated scenes.
pub(crate) const DEMO: &str = "demo";

/// The focus of the focal loss in its paper.
const FOCAL_GAMMA: f64 = 2.0;

/// Settings of `--data demo` that differ from the recipe: a small model and a short schedule for two CPU cores.
fn demo_settings() -> Table {
    toml::toml! {
        preset = "nano"
        epochs = 30
        batch = 8
        crop = 64
        lr = 4e-3
        warmup_steps = 50
        cooldown = 0.4
        validate_from = 4
        validate_every = 4
        checkpoint_every = 4
        model = { drop_path = 0.0 }
    }
}

/// Where the mean and deviation that bands are scaled by come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scaling {
    /// ImageNet's, of 8-bit red, green and blue.
    Imagenet,
    /// The training split's own.
    Measured,
}

/// What to do about a step whose loss or gradient is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NonFinite {
    /// End the run and name the images.
    Stop,
    /// Leave the step out and count it.
    Skip,
}

/// Everything a training run depends on. The defaults are the official recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct RunConfig {
    /// Segmentation (`ss`) or change detection (`cd`).
    pub(crate) task: Task,
    /// A dataset folder, or `demo`.
    pub(crate) data: String,
    /// Which pixels of a label are target: `auto`, `nonzero`, `threshold:VALUE`, `map:VALUE,..` or `channel:BAND`; for
    /// several classes `auto` or `classes:NUMBER`.
    pub(crate) label_rule: String,
    /// Leave out files without partners in place of refusing them.
    pub(crate) allow_unpaired: bool,
    /// Label pixels of this value count nowhere: neither in the loss nor in a score.
    pub(crate) ignore_index: Option<u16>,
    /// What bands are scaled by.
    pub(crate) normalisation: Scaling,
    /// A named model size; `[model]` may change parts of it.
    pub(crate) preset: String,
    /// Weights to start from: ours, or official ones; other bands, classes or task are taken over as far as they go.
    pub(crate) init_from: Option<PathBuf>,
    /// Where to run.
    pub(crate) device: String,
    /// What matrix products and convolutions compute in: `f32`, or `bf16` where the device has it.
    pub(crate) precision: Precision,
    /// Seed of the initial weights, the order of the crops, augmentation and drop path.
    pub(crate) seed: u64,

    /// Passes over the training crops.
    pub(crate) epochs: usize,
    /// Stop training in time to end after this many minutes.
    pub(crate) max_minutes: Option<f64>,
    /// Crops that go through the model together.
    pub(crate) batch: usize,
    /// Batches whose gradients make one step.
    pub(crate) accumulate: usize,
    /// Side of the crops in pixels.
    pub(crate) crop: usize,
    /// Leave out crops without image content (white or black borders of a tile).
    pub(crate) skip_blank: bool,
    /// Part of the crops without any marked pixel that an epoch takes, drawn anew each epoch.
    pub(crate) keep_empty: f64,
    /// Part of the crops of an epoch that have a marked pixel, in place of what the data has; crops come again for it.
    pub(crate) positive: Option<f64>,
    /// Move each crop at random, by up to half a crop each way.
    pub(crate) shift: bool,
    /// Ratio by which images and labels are made smaller first.
    pub(crate) downsample: usize,
    /// Random flips and transposes; for change detection of one class also a random swap of the dates.
    pub(crate) augment: bool,
    /// Strength of random changes of brightness and contrast, of each date by itself.
    pub(crate) jitter: f64,
    /// Threads that decode crops while the model is trained; the batches are the same for any number.
    pub(crate) workers: usize,
    /// MiB of decoded images of a split that stay in memory; the others are decoded again.
    pub(crate) memory_mb: usize,
    /// Folder for decoded images, as large as all of them; crops are then read from there.
    pub(crate) decoded: Option<PathBuf>,

    /// What training minimises.
    pub(crate) loss: LossName,
    /// What the cross-entropy of marked pixels is multiplied by (`bce-dice`).
    pub(crate) pos_weight: f64,
    /// The weight of each class (`ce-dice`, `focal`; with one class those of unmarked and of marked pixels); empty weighs
    /// all alike.
    pub(crate) class_weights: Vec<f64>,
    /// How much less a pixel counts that is right already (`focal`).
    pub(crate) focal_gamma: f64,

    /// Learning rate after the warm-up.
    pub(crate) lr: f64,
    /// Decoupled weight decay, on every parameter.
    pub(crate) weight_decay: f64,
    /// `AdamW`'s first decay rate.
    pub(crate) beta_1: f64,
    /// `AdamW`'s second decay rate.
    pub(crate) beta_2: f64,
    /// `AdamW`'s epsilon.
    pub(crate) epsilon: f64,
    /// Largest norm of all gradients together.
    pub(crate) clip_norm: f64,
    /// What to do about a step whose loss or gradient is no number.
    pub(crate) nonfinite: NonFinite,
    /// Compute parts of the forward pass twice to save memory.
    pub(crate) gradient_checkpointing: bool,
    /// Leave the encoder's parameters as they are.
    pub(crate) freeze_encoder: bool,
    /// Steps over which the learning rate rises linearly.
    pub(crate) warmup_steps: usize,
    /// Learning rate of the first step.
    pub(crate) warmup_from: f64,
    /// Validations without a better F1 before the learning rate falls.
    pub(crate) patience: usize,
    /// What the learning rate is multiplied by then.
    pub(crate) plateau_factor: f64,
    /// Part of the run, at its end, over which the learning rate falls to zero; not in the official recipe.
    pub(crate) cooldown: f64,

    /// First epoch that is validated.
    pub(crate) validate_from: usize,
    /// Epochs between validations; the last epoch is always validated.
    pub(crate) validate_every: usize,
    /// Validations without a better F1 after which training ends early.
    pub(crate) early_stop: Option<usize>,
    /// Weights kept of the best validations, in `weights`.
    pub(crate) keep_best: usize,
    /// Epochs between checkpoints; a validation, the end and Ctrl-C always write one.
    pub(crate) checkpoint_every: usize,
    /// Minutes between checkpoints within an epoch.
    pub(crate) checkpoint_minutes: f64,
    /// Steps between lines of `steps.jsonl`; 0 writes none.
    pub(crate) log_every: usize,
    /// Probability from which a pixel is marked, or `best`: the best F1 on the validation split, found anew at every
    /// validation.
    pub(crate) threshold: Threshold,

    /// Changes to the preset.
    pub(crate) model: ModelSection,
}

impl RunConfig {
    /// The official recipe.
    fn recipe(task: Task, data: &str) -> Self {
        Self {
            task,
            data: data.into(),
            label_rule: "auto".into(),
            allow_unpaired: false,
            ignore_index: None,
            normalisation: Scaling::Imagenet,
            preset: "tiny".into(),
            init_from: None,
            device: crate::device::DEFAULT.into(),
            precision: Precision::F32,
            seed: 42,
            epochs: 300,
            max_minutes: None,
            batch: 2,
            accumulate: 1,
            crop: 256,
            skip_blank: true,
            keep_empty: 1.0,
            positive: None,
            shift: false,
            downsample: 1,
            augment: true,
            jitter: 0.0,
            workers: 2,
            memory_mb: 1024,
            decoded: None,
            loss: LossName::BceDice,
            pos_weight: 1.0,
            class_weights: Vec::new(),
            focal_gamma: FOCAL_GAMMA,
            lr: 1e-3,
            weight_decay: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            clip_norm: 1.0,
            nonfinite: NonFinite::Stop,
            gradient_checkpointing: false,
            freeze_encoder: false,
            warmup_steps: 1000,
            warmup_from: 1e-7,
            patience: 12,
            plateau_factor: 0.1,
            cooldown: 0.0,
            validate_from: 10,
            validate_every: 5,
            early_stop: None,
            keep_best: 1,
            checkpoint_every: 10,
            checkpoint_minutes: 10.0,
            log_every: 10,
            threshold: Threshold::BEST,
            model: ModelSection::default(),
        }
    }

    /// Lays the layers over each other: recipe, demo settings where they apply, the config file, `--set`, flags.
    ///
    /// # Errors
    ///
    /// Usage errors: no data, no task, a key or value that does not fit.
    pub(crate) fn resolve(
        file: Option<&ConfigFile>,
        assignments: &[(String, String)],
        flags: &Flags,
    ) -> Result<Self, Failure> {
        let flags = Table::try_from(flags).context("cannot represent the flags")?;
        let mut wanted = file.map(|file| file.table().clone()).unwrap_or_default();
        // A preset named on the command line means that preset, not the one the file changed.
        if flags.contains_key("preset") || assignments.iter().any(|(key, _)| key == "preset") {
            wanted.remove("model");
        }
        for (key, value) in assignments {
            assign(&mut wanted, key, value)?;
        }
        overlay(&mut wanted, flags);

        let origin = file.map_or_else(|| "--set".to_owned(), |file| file.path().display().to_string());
        let data = match wanted.get("data") {
            Some(data) => data.as_str().unwrap_or_default().to_owned(),
            None => return Err(Failure::usage("--data is missing: name a dataset folder, or `demo`")),
        };
        if data != DEMO && !wanted.contains_key("task") {
            return Err(Failure::usage("--task is missing: ss for segmentation, cd for change detection"));
        }
        let mut table = Table::try_from(Self::recipe(Task::Ss, &data)).context("cannot represent the defaults")?;
        if data == DEMO {
            overlay(&mut table, demo_settings());
        }
        overlay(&mut table, wanted);
        let of = |table: Table| -> Result<Self, toml::de::Error> { table.try_into() };
        for (key, _) in assignments.iter().filter(|(_, value)| value == NONE) {
            // A key that nobody knows cannot be unset either: it is misspelt.
            let mut probe = table.clone();
            assign(&mut probe, key, "?")?;
            if let Err(error) = of(probe)
                && error.message().starts_with("unknown field")
            {
                return Err(Failure::usage(format!("--set {key}={NONE}: {}", error.message())));
            }
        }
        let config = of(table).map_err(|error| Failure::usage(format!("{origin}: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// Crops of one step of the optimiser; `check` has made sure of the product.
    pub(crate) fn step_crops(&self) -> usize {
        self.batch * self.accumulate
    }

    /// The model these settings describe.
    ///
    /// # Errors
    ///
    /// A usage error for an unknown preset or an impossible architecture.
    pub(crate) fn model_config(&self) -> Result<ModelConfig, Failure> {
        let mut config = preset(self.task, &self.preset)?;
        self.model.change(&mut config)?;
        config.validate().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(config)
    }

    /// What to tell where the section `model` describes another preset than the one that is named.
    ///
    /// # Errors
    ///
    /// As [`model_config`](Self::model_config).
    pub(crate) fn overridden_preset(&self) -> Result<Option<String>, Failure> {
        let taken = self.model_config()?.encoder;
        for name in ModelConfig::PRESETS {
            let other = preset(self.task, name)?.encoder;
            if *name != self.preset && (other.dims, other.depths) == (taken.dims, taken.depths) {
                return Ok(Some(format!(
                    "the section [model] of the settings has the sizes of preset {name}, so the name {} changes nothing; \
                     give --preset, which leaves the section out",
                    self.preset
                )));
            }
        }
        Ok(None)
    }

    /// Makes the architecture explicit, so that the config stays right when presets change.
    pub(crate) fn pin_model(&mut self, config: &ModelConfig) {
        self.model = ModelSection::of(config);
    }

    /// The number of bands the model is meant to read, where the settings say so.
    pub(crate) fn bands(&self) -> Option<usize> {
        self.model.bands
    }

    /// As a config file.
    ///
    /// # Errors
    ///
    /// When a value has no TOML form.
    pub(crate) fn to_toml(&self) -> anyhow::Result<String> {
        let settings = toml::to_string(self).context("cannot represent the settings as TOML")?;
        Ok(format!("# Settings of burn-rsmamba-cli {}, for `train --config`.\n{settings}", env!("CARGO_PKG_VERSION")))
    }
}
