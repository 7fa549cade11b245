//! The objective of the official training code, for one logit a pixel.

use burn::{Tensor, tensor::activation::sigmoid};

use super::{sums::total, targets::Targets};

/// The official objective and its two parts, each of shape `[1]`.
#[derive(Debug, Clone)]
pub struct BceDice {
    /// `bce + dice`.
    pub total: Tensor<1>,
    /// Binary cross-entropy on logits, mean over all pixels.
    pub bce: Tensor<1>,
    /// `1 - (2 Σpt + s) / (Σp + Σt + s)` over the whole batch, s = 1e-5.
    pub dice: Tensor<1>,
}

pub(super) const SMOOTH: f64 = 1e-5;

/// Binary cross-entropy plus soft Dice, equally weighted, over the whole batch (the official training code's objective).
///
/// `logits` and `labels` (0 or 1) have one shape, `[B, 1, H, W]`.
///
/// # Panics
///
/// When the shapes differ.
pub fn bce_dice(logits: Tensor<4>, labels: Tensor<4>) -> BceDice {
    assert!(
        logits.dims() == labels.dims(),
        "bce_dice: `labels` must have the shape of `logits` {:?}, got {:?}",
        logits.dims(),
        labels.dims()
    );
    forward(logits, Targets::new(labels, None), 1.0)
}

pub(super) fn forward(logits: Tensor<4>, targets: Targets, pos_weight: f64) -> BceDice {
    let labels = targets.classes.clone();
    // -[t ln p + (1 - t) ln(1 - p)] = max(x, 0) - x t + ln(1 + exp(-|x|))
    let pixels =
        logits.clone().clamp_min(0.0) - logits.clone() * labels.clone() + (-logits.clone().abs()).exp().log1p();
    let weighted = if (pos_weight - 1.0).abs() < f64::EPSILON {
        pixels
    } else {
        pixels * (labels.clone() * (pos_weight - 1.0) + 1.0)
    };
    let bce = targets.mean(weighted);
    let probabilities = targets.keep(sigmoid(logits));
    let overlap = total(probabilities.clone() * labels.clone());
    let areas = total(probabilities) + total(labels);
    let dice = -(overlap * 2.0 + SMOOTH) / (areas + SMOOTH) + 1.0;
    BceDice { total: bce.clone() + dice.clone(), bce, dice }
}
