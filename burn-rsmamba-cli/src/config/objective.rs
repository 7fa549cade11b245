//! The training objective among the settings.

use std::path::Path;

use burn::Tensor;
use burn_rsmamba::ModelMeta;
use burn_rsmamba::losses::Loss;
use burn_rsmamba_datasets::{LabelRule, Mask};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{FOCAL_GAMMA, RunConfig, Threshold};
use crate::error::Failure;

/// The kinds of objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LossName {
    /// Binary cross-entropy plus soft Dice, for one class.
    BceDice,
    /// Cross-entropy plus soft Dice, for several classes.
    CeDice,
    /// Focal loss, for one class or several.
    Focal,
}

/// An objective, and whether there are pixels that it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objective {
    loss: Loss,
    ignore_index: Option<u8>,
}

impl Objective {
    /// Leaves out the pixels that count nowhere: the label's rule need not say so, a date may have no data there.
    pub(crate) fn leave_out(&mut self) {
        self.ignore_index = Some(Mask::IGNORED);
    }

    /// The loss of a batch, from logits `[B, K, H, W]` and the labels `[B, 1, H, W]` of its crops.
    pub(crate) fn loss(&self, logits: Tensor<4>, labels: Tensor<4>) -> Tensor<1> {
        self.loss.forward(logits, labels, self.ignore_index)
    }
}

impl RunConfig {
    /// What training minimises.
    ///
    /// # Errors
    ///
    /// A usage error for a loss or weights that do not fit the number of classes.
    pub(crate) fn objective(&self) -> Result<Objective, Failure> {
        let classes = self.model_config()?.classes;
        let weights = &self.class_weights;
        if self.loss != LossName::Focal && (self.focal_gamma - FOCAL_GAMMA).abs() > f64::EPSILON {
            return Err(Failure::usage("focal_gamma goes with the loss focal; take that loss, or leave it out"));
        }
        if let (2.., Threshold::Fixed(_)) = (classes, self.threshold) {
            return Err(Failure::usage(format!(
                "threshold goes with models of one class; of {classes} classes the likeliest is taken"
            )));
        }
        let loss = match self.loss {
            LossName::BceDice if weights.is_empty() => Loss::BceDice { pos_weight: self.pos_weight },
            LossName::BceDice => {
                return Err(Failure::usage("class_weights go with the losses ce-dice and focal; take pos_weight"));
            }
            _ if (self.pos_weight - 1.0).abs() > f64::EPSILON => {
                return Err(Failure::usage("pos_weight goes with the loss bce-dice; take class_weights"));
            }
            LossName::CeDice => Loss::CrossEntropyDice { class_weights: weights.clone() },
            LossName::Focal => Loss::Focal { gamma: self.focal_gamma, class_weights: weights.clone() },
        };
        let fitting = if classes == 1 { "bce-dice or focal" } else { "ce-dice or focal" };
        loss.check(classes).map_err(|error| Failure::usage(format!("{error} (losses for this model: {fitting})")))?;
        Ok(Objective { loss, ignore_index: self.rule()?.ignores().then_some(Mask::IGNORED) })
    }

    /// What the pixels of labels mean.
    ///
    /// # Errors
    ///
    /// A usage error for a text that is no rule, or a rule that does not fit the classes of the model.
    pub(crate) fn rule(&self) -> Result<LabelRule, Failure> {
        label_rule(&self.written_rule()?, self.model_config()?.classes, self.ignore_index)
    }

    /// The rule as it is written, whatever the model.
    pub(super) fn written_rule(&self) -> Result<LabelRule, Failure> {
        self.label_rule.parse().map_err(|error: String| Failure::usage(format!("label_rule: {error}")))
    }
}

/// What the pixels of labels mean that a model is scored by: as its file says that it was trained, but for what the user says.
///
/// # Errors
///
/// As [`label_rule`]; where the file holds no rule that is known.
pub(crate) fn label_rule_of(
    model: &Path,
    meta: &ModelMeta,
    written: Option<&LabelRule>,
    ignore_index: Option<u16>,
) -> Result<LabelRule, Failure> {
    let trained = match (&meta.labels, written) {
        (Some(text), None) => {
            text.parse().map_err(|error: String| Failure::run(format!("{}: {error}", model.display())))?
        }
        _ => written.cloned().unwrap_or_default(),
    };
    match (trained, ignore_index) {
        // Another value in the place of the file's.
        (LabelRule::Ignore(_, rule), Some(_)) if written.is_none() => {
            label_rule(&rule, meta.config.classes, ignore_index)
        }
        (rule, _) => label_rule(&rule, meta.config.classes, ignore_index),
    }
}

/// What the pixels of labels mean for a model of so many logits a pixel: with several, `auto` keeps class indices.
///
/// # Errors
///
/// A usage error for a rule of another number of classes.
fn label_rule(written: &LabelRule, logits: usize, ignore_index: Option<u16>) -> Result<LabelRule, Failure> {
    let rule = match (written, u8::try_from(logits)) {
        (LabelRule::Auto, Ok(classes @ 2..)) => LabelRule::Classes(classes),
        _ => written.clone(),
    };
    let classes = logits.max(2);
    if rule.classes() != classes {
        return Err(Failure::usage(format!(
            "the label rule {rule} tells {} classes apart, the model {classes}; take classes:{classes}, or another number \
             of classes",
            rule.classes()
        )));
    }
    Ok(match ignore_index {
        Some(_) if rule.ignores() => {
            return Err(Failure::usage(format!(
                "the label rule {rule} and --ignore-index both name a value that counts nowhere; give one of them"
            )));
        }
        Some(value) => LabelRule::Ignore(f32::from(value), Box::new(rule)),
        None => rule,
    })
}
