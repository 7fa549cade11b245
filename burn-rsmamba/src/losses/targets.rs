//! Labels as the objectives take them.

use burn::Tensor;

use super::sums::total;

/// Labels without ignored pixels.
pub(super) struct Targets {
    /// `[B, 1, H, W]`, class indices; 0 where a pixel is ignored.
    pub(super) classes: Tensor<4>,
    /// `[B, 1, H, W]`, 1 where a pixel counts and 0 elsewhere; absent where all count.
    counted: Option<Tensor<4>>,
}

impl Targets {
    pub(super) fn new(labels: Tensor<4>, ignore_index: Option<u8>) -> Self {
        match ignore_index {
            None => Self { classes: labels, counted: None },
            Some(index) => {
                let counted = labels.clone().not_equal_elem(index).float();
                Self { classes: labels * counted.clone(), counted: Some(counted) }
            }
        }
    }

    /// The values at pixels that count, 0 at others; `[B, K, H, W]`.
    pub(super) fn keep(&self, values: Tensor<4>) -> Tensor<4> {
        match &self.counted {
            Some(counted) => values * counted.clone(),
            None => values,
        }
    }

    /// The sum over the pixels that count, divided by their number; `values` are `[B, 1, H, W]`.
    pub(super) fn mean(&self, values: Tensor<4>) -> Tensor<1> {
        if let Some(counted) = &self.counted {
            return total(self.keep(values)) / total(counted.clone()).clamp_min(1.0);
        }
        let count: usize = values.dims().iter().product();
        total(values) / count as f64
    }

    /// 1 at the channel of each pixel's class, 0 elsewhere and in all channels of ignored pixels: `[B, K, H, W]`.
    pub(super) fn one_hot(&self, classes: usize) -> Tensor<4> {
        let channels = (0..classes).map(|class| self.classes.clone().equal_elem(class as f64).float());
        self.keep(Tensor::cat(channels.collect(), 1))
    }

    /// The weight of each pixel's class, 0 for ignored pixels: `[B, 1, H, W]`; nothing where all weigh alike.
    pub(super) fn weights(&self, class_weights: &[f64]) -> Option<Tensor<4>> {
        let weighted = |(class, weight): (usize, &f64)| self.classes.clone().equal_elem(class as f64).float() * *weight;
        let weights = class_weights.iter().enumerate().map(weighted).reduce(Tensor::add)?;
        Some(self.keep(weights))
    }
}
