//! Focal loss, for one logit a pixel or several.

use burn::{
    Tensor,
    tensor::activation::{log_sigmoid, softplus},
};

use super::targets::Targets;

pub(super) fn forward(logits: Tensor<4>, targets: Targets, gamma: f64, class_weights: &[f64]) -> Tensor<1> {
    let margin = margin(logits, &targets);
    // (1 - p)^gamma, finite with its gradient also where p rounds to 1.
    let hardness = (softplus(margin.clone(), 1.0) * -gamma).exp();
    let pixels = -log_sigmoid(margin) * hardness;
    targets.mean(match targets.weights(class_weights) {
        Some(weights) => pixels * weights,
        None => pixels,
    })
}

/// The logit z of each pixel's class against all others, `[B, 1, H, W]`: the class has the probability `sigmoid(z)`.
fn margin(logits: Tensor<4>, targets: &Targets) -> Tensor<4> {
    let [_, channels, ..] = logits.dims();
    if channels == 1 {
        return logits * (targets.classes.clone() * 2.0 - 1.0);
    }
    let one_hot = targets.one_hot(channels);
    let own = (logits.clone() * one_hot.clone()).sum_dim(1);
    let others = logits.mask_fill(one_hot.bool(), f32::NEG_INFINITY);
    let largest = others.clone().detach().max_dim(1);
    own - (others - largest.clone()).exp().sum_dim(1).log() - largest
}
