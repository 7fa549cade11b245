//! Cross-entropy plus soft Dice, for several classes.

use burn::{Tensor, tensor::activation::log_softmax};

use super::{
    bce_dice::SMOOTH,
    sums::{by_class, total},
    targets::Targets,
};

pub(super) fn forward(logits: Tensor<4>, targets: Targets, class_weights: &[f64]) -> Tensor<1> {
    let [_, classes, ..] = logits.dims();
    let one_hot = targets.one_hot(classes);
    let log_probabilities = log_softmax(logits, 1);
    let pixels = -(log_probabilities.clone() * one_hot.clone()).sum_dim(1);
    let cross_entropy = match targets.weights(class_weights) {
        // All pixels may be ignored or of a class without weight: the loss is 0 then, whatever it is divided by.
        Some(weights) => total(pixels * weights.clone()) / total(weights).clamp_min(1e-6),
        None => targets.mean(pixels),
    };
    cross_entropy + dice(targets.keep(log_probabilities.exp()), one_hot)
}

/// Mean over all classes; one that no pixel has counts as 0.
fn dice(probabilities: Tensor<4>, one_hot: Tensor<4>) -> Tensor<1> {
    let [_, classes, ..] = one_hot.dims();
    let pixels = by_class(one_hot.clone());
    let overlap = by_class(probabilities.clone() * one_hot);
    let areas = by_class(probabilities) + pixels.clone();
    let dice = -(overlap * 2.0 + SMOOTH) / (areas + SMOOTH) + 1.0;
    (dice * pixels.greater_elem(0.0).float()).sum() / classes as f64
}
