//! Training objectives, one a file, behind one configuration: [`Loss`].
//!
//! Logits are `[B, K, H, W]`. Labels are `[B, 1, H, W]`, as floats: 0 and 1 for binary models (K = 1), the index of the
//! class for others. Pixels whose label equals the ignore index count nowhere: neither in a sum nor in what it is
//! divided by; a batch without any other pixel has the loss 0.

mod bce_dice;
mod cross_entropy_dice;
mod focal;
mod sums;
mod targets;

pub use bce_dice::{BceDice, bce_dice};

use burn::Tensor;
use serde::{Deserialize, Serialize};
use targets::Targets;

/// A training objective with its settings.
///
/// Results do not depend on the number of threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Loss {
    /// Binary cross-entropy plus soft Dice, for one logit a pixel: the official objective, see [`bce_dice`].
    BceDice {
        /// What the cross-entropy of positive pixels is multiplied by, PyTorch's `pos_weight`; 1 weighs nothing.
        pos_weight: f64,
    },
    /// Cross-entropy plus soft Dice, for two classes or more.
    ///
    /// Cross-entropy is the weighted mean over the pixels (PyTorch's). Dice is `1 - (2 Σpt + s) / (Σp + Σt + s)` of each
    /// class over the whole batch, s = 1e-5, 0 for a class that no pixel has, and its mean over all classes.
    CrossEntropyDice {
        /// The weight of each class in the cross-entropy; empty weighs all alike.
        class_weights: Vec<f64>,
    },
    /// Focal loss ([arXiv 1708.02002](https://arxiv.org/abs/1708.02002)): the mean over all pixels of
    /// `-w (1 - p)^gamma ln p`, p the probability of the pixel's class; on one logit (a sigmoid) or several (a softmax).
    Focal {
        /// How much less a pixel counts that is right already; 0 gives plain cross-entropy.
        gamma: f64,
        /// The weight of each class, of negative and positive pixels for one logit; empty weighs all alike.
        class_weights: Vec<f64>,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::BceDice { pos_weight: 1.0 }
    }
}

impl Loss {
    /// What keeps this loss from models of so many logits a pixel; it names the setting.
    ///
    /// # Errors
    ///
    /// A loss of another kind of model, another number of weights than classes, and numbers that are negative or none.
    pub fn check(&self, channels: usize) -> Result<(), String> {
        let classes = channels.max(2);
        let usable = |name: &str, value: f64| {
            let usable = value.is_finite() && value >= 0.0;
            if usable { Ok(()) } else { Err(format!("{name} must be a number from 0 on, not {value}")) }
        };
        let weights = match self {
            Self::BceDice { pos_weight } => {
                usable("pos_weight", *pos_weight)?;
                if channels != 1 {
                    return Err(format!("BCE + Dice is for one logit a pixel, not {channels}: take another loss"));
                }
                return Ok(());
            }
            Self::CrossEntropyDice { .. } if channels == 1 => {
                return Err("cross-entropy + Dice is for two classes or more: take another loss".into());
            }
            Self::CrossEntropyDice { class_weights } => class_weights,
            Self::Focal { gamma, class_weights } => {
                usable("gamma", *gamma)?;
                class_weights
            }
        };
        if !weights.is_empty() && weights.len() != classes {
            return Err(format!("class_weights has {} numbers for {classes} classes", weights.len()));
        }
        weights.iter().try_for_each(|&weight| usable("class_weights", weight))
    }

    /// The loss of a batch, `[1]`, from logits `[B, K, H, W]` and labels `[B, 1, H, W]`.
    ///
    /// Labels must be below the number of classes or equal to `ignore_index`.
    ///
    /// # Panics
    ///
    /// When the shapes do not fit each other, or [`check`](Self::check) says that the loss does not fit the logits.
    pub fn forward(&self, logits: Tensor<4>, labels: Tensor<4>, ignore_index: Option<u8>) -> Tensor<1> {
        let [batch, channels, height, width] = logits.dims();
        assert!(
            labels.dims() == [batch, 1, height, width],
            "Loss: `labels` must have the shape {:?} beside logits {:?}, got {:?}",
            [batch, 1, height, width],
            logits.dims(),
            labels.dims()
        );
        if let Err(error) = self.check(channels) {
            panic!("Loss: {error}");
        }
        let targets = Targets::new(labels, ignore_index);
        match self {
            Self::BceDice { pos_weight } => bce_dice::forward(logits, targets, *pos_weight).total,
            Self::CrossEntropyDice { class_weights } => cross_entropy_dice::forward(logits, targets, class_weights),
            Self::Focal { gamma, class_weights } => focal::forward(logits, targets, *gamma, class_weights),
        }
    }
}
