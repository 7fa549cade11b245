//! What the tests of the layers share.

use super::problem::{Random, compare_by};

pub(super) fn with_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(run)
}

/// Values in f32 for the layers, which the GPU's tests of the scan do without.
impl Random {
    pub(super) fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// Uniform in `[-1, 1)`.
    pub(super) fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub(super) fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * scale).collect()
    }
}

/// The same values in f64.
pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Notes the values that are off by more than `tolerance · max(1, |expected|)`: each by its own size, so that small ones count
/// beside large ones.
pub(super) fn compare_each(name: &str, actual: &[f32], expected: &[f64], tolerance: f64, failures: &mut Vec<String>) {
    compare_by(name, actual, expected, |expected| tolerance * expected.abs().max(1.0), failures);
}

pub(super) fn assert_same_bits(one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len());
    let differ: Vec<usize> = (0..one.len()).filter(|&index| one[index].to_bits() != other[index].to_bits()).collect();
    let show = |&index: &usize| format!("[{index}]: {} and {}", one[index], other[index]);
    let first: Vec<String> = differ.iter().take(5).map(show).collect();
    assert!(differ.is_empty(), "{} of {} values differ\n    {}", differ.len(), one.len(), first.join("\n    "));
}

/// Central difference with regard to one value, of fourth order.
pub(super) fn derivative(values: &[f64], index: usize, function: impl Fn(&[f64]) -> f64) -> f64 {
    // Small next to √ε, the scale on which a norm of nearly equal values bends.
    let step = 1e-4;
    let at = |offset: f64| {
        let mut values = values.to_vec();
        values[index] += offset;
        function(&values)
    };
    (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
}

/// `erf`, to about 1e-15: Maclaurin series near zero, the continued fraction of erfc (Lentz) elsewhere.
pub(super) fn erf(x: f64) -> f64 {
    if x.abs() < 2.5 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    if x > 0.0 { 1.0 - erfc_far(x) } else { erfc_far(-x) - 1.0 }
}

/// `erfc` for `x >= 2.5`, relative error about 1e-14.
pub(super) fn erfc_far(x: f64) -> f64 {
    let mut fraction = 0.0;
    for n in (1..200).rev() {
        fraction = f64::from(n) / 2.0 / (x + fraction);
    }
    (-x * x).exp() / std::f64::consts::PI.sqrt() / (x + fraction)
}
