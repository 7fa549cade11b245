//! Comparisons that collect every failure before they panic once.

use burn::Tensor;

/// What was off so far.
#[derive(Debug, Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Compares with a tolerance relative to the largest expected entry.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub fn relative(&mut self, name: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
        let scale = expected.iter().fold(0.0f32, |max, value| max.max(value.abs())).max(1e-6);
        self.absolute(name, actual, expected, tolerance * scale);
    }

    /// Compares with an absolute tolerance.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub fn absolute(&mut self, name: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(actual.len(), expected.len(), "{name}: number of values");
        for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
            // written so that a NaN fails
            let close = (actual - expected).abs() <= tolerance;
            if !close {
                self.0.push(format!("{name}[{index}]: got {actual}, expected {expected} (tolerance {tolerance:.2e})"));
            }
        }
    }

    /// Notes a failure in words.
    pub fn note(&mut self, failure: String) {
        self.0.push(failure);
    }

    /// Whether nothing was off.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Panics with everything that was collected.
    ///
    /// # Panics
    ///
    /// When anything was.
    pub fn finish(self) {
        let shown = &self.0[..self.0.len().min(20)];
        assert!(self.0.is_empty(), "{} values are off:\n{}", self.0.len(), shown.join("\n"));
    }
}

/// A relative tolerance of results that matrix products of Burn's go into: on CUDA they may round both f32 factors to TF32, each by up
/// to 2^-11 of it.
pub fn with_products(tolerance: f32) -> f32 {
    if cfg!(feature = "cuda") { tolerance.max(1e-3) } else { tolerance }
}

/// A tensor's values as f32.
///
/// # Panics
///
/// When the tensor cannot be read.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("f32 values")
}
