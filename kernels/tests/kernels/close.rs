//! What the tests of the layers share.

pub(super) fn with_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(run)
}

/// Reproducible values.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    /// Uniform in `[-1, 1)`, by `SplitMix64`.
    pub(super) fn value(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub(super) fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * scale).collect()
    }
}

/// Every value within `tolerance · max(1, |expected|)`.
pub(super) fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(error <= tolerance * expected.abs().max(1.0), "value {index}: {actual} instead of {expected}");
    }
}

pub(super) fn assert_same_bits(one: &[f32], other: &[f32]) {
    assert_eq!(one.len(), other.len());
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        assert!(one.to_bits() == other.to_bits(), "value {index}: {one} and {other}");
    }
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
