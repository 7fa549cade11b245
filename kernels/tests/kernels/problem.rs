//! Seeded random problems in f64, and the comparison with what is expected.

use burn_rsmamba_kernels::{Directions, OmniInputs, OmniShape, ScanInputs, ScanShape};

/// A small generator is enough here: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn uniform(&mut self, from: f64, to: f64) -> f64 {
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        from + (to - from) * unit
    }

    /// Values that f32 holds exactly, so that both precisions start from the same numbers.
    pub(crate) fn vector(&mut self, len: usize, from: f64, to: f64) -> Vec<f64> {
        (0..len).map(|_| f64::from(self.uniform(from, to) as f32)).collect()
    }
}

/// Which options a case turns on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) softplus: bool,
    pub(crate) skip: bool,
    pub(crate) bias: bool,
}

pub(crate) const ALL_ON: Options = Options { softplus: true, skip: true, bias: true };

/// All eight combinations of softplus, skip and bias.
pub(crate) fn every_option() -> impl Iterator<Item = Options> {
    (0..8).map(|bits| Options { softplus: bits & 1 != 0, skip: bits & 2 != 0, bias: bits & 4 != 0 })
}

/// Owned inputs of a plain scan.
#[derive(Clone)]
pub(crate) struct Plain<T> {
    pub(crate) shape: ScanShape,
    pub(crate) options: Options,
    pub(crate) u: Vec<T>,
    pub(crate) delta: Vec<T>,
    pub(crate) a: Vec<T>,
    pub(crate) b: Vec<T>,
    pub(crate) c: Vec<T>,
    pub(crate) skip: Vec<T>,
    pub(crate) bias: Vec<T>,
    pub(crate) dy: Vec<T>,
}

impl Plain<f64> {
    pub(crate) fn random(shape: ScanShape, options: Options, seed: u64) -> Self {
        let mut random = Random(seed);
        let channels = shape.all_channels();
        // without softplus the step itself has to be positive for a stable recurrence
        let (low, high) = if options.softplus { (-3.0, 1.0) } else { (0.01, 0.5) };
        Self {
            shape,
            options,
            u: random.vector(shape.sequence_len(), -1.0, 1.0),
            delta: random.vector(shape.sequence_len(), low, high),
            a: random.vector(channels * shape.states, -4.0, -0.05),
            b: random.vector(shape.projection_len(), -1.0, 1.0),
            c: random.vector(shape.projection_len(), -1.0, 1.0),
            skip: random.vector(channels, -1.0, 1.0),
            bias: random.vector(channels, 0.0, 0.2),
            dy: random.vector(shape.sequence_len(), -1.0, 1.0),
        }
    }

    pub(crate) fn to_f32(&self) -> Plain<f32> {
        Plain {
            shape: self.shape,
            options: self.options,
            u: narrow(&self.u),
            delta: narrow(&self.delta),
            a: narrow(&self.a),
            b: narrow(&self.b),
            c: narrow(&self.c),
            skip: narrow(&self.skip),
            bias: narrow(&self.bias),
            dy: narrow(&self.dy),
        }
    }
}

impl<T> Plain<T> {
    pub(crate) fn inputs(&self) -> ScanInputs<'_, T> {
        ScanInputs {
            u: &self.u,
            delta: &self.delta,
            a: &self.a,
            b: &self.b,
            c: &self.c,
            skip: self.options.skip.then_some(&self.skip[..]),
            delta_bias: self.options.bias.then_some(&self.bias[..]),
            delta_softplus: self.options.softplus,
        }
    }
}

/// Owned inputs of an omnidirectional scan.
#[derive(Clone)]
pub(crate) struct Omni<T> {
    pub(crate) shape: OmniShape,
    pub(crate) options: Options,
    pub(crate) u: Vec<T>,
    pub(crate) projection: Vec<T>,
    pub(crate) dt_weight: Vec<T>,
    pub(crate) a: Vec<T>,
    pub(crate) skip: Vec<T>,
    pub(crate) bias: Vec<T>,
    pub(crate) dy: Vec<T>,
}

impl Omni<f64> {
    pub(crate) fn random(shape: OmniShape, options: Options, seed: u64) -> Self {
        let mut random = Random(seed);
        let channels = shape.all_channels();
        let rows = shape.batch * shape.pixels() * shape.directions.count() * shape.row();
        let mut omni = Self {
            shape,
            options,
            u: random.vector(shape.map_len(), -1.0, 1.0),
            projection: random.vector(rows, -1.0, 1.0),
            dt_weight: random.vector(channels * shape.rank, -0.7, 0.7),
            a: random.vector(channels * shape.states, -4.0, -0.05),
            skip: random.vector(channels, -1.0, 1.0),
            bias: random.vector(channels, -1.0, 0.2),
            dy: random.vector(shape.map_len(), -1.0, 1.0),
        };
        if !options.softplus {
            // keep the step positive and small
            omni.dt_weight.iter_mut().for_each(|w| *w = f64::from((w.abs() * 0.3) as f32));
            for row in omni.projection.chunks_exact_mut(shape.row()) {
                row[..shape.rank].iter_mut().for_each(|low| *low = low.abs());
            }
            omni.bias.iter_mut().for_each(|bias| *bias = bias.abs());
        }
        omni
    }

    pub(crate) fn to_f32(&self) -> Omni<f32> {
        Omni {
            shape: self.shape,
            options: self.options,
            u: narrow(&self.u),
            projection: narrow(&self.projection),
            dt_weight: narrow(&self.dt_weight),
            a: narrow(&self.a),
            skip: narrow(&self.skip),
            bias: narrow(&self.bias),
            dy: narrow(&self.dy),
        }
    }
}

impl<T> Omni<T> {
    pub(crate) fn inputs(&self) -> OmniInputs<'_, T> {
        OmniInputs {
            u: &self.u,
            projection: &self.projection,
            dt_weight: &self.dt_weight,
            a: &self.a,
            skip: self.options.skip.then_some(&self.skip[..]),
            delta_bias: self.options.bias.then_some(&self.bias[..]),
            delta_softplus: self.options.softplus,
        }
    }
}

pub(crate) fn omni_shape(batch: usize, height: usize, width: usize, channels: usize, states: usize) -> OmniShape {
    OmniShape { batch, height, width, channels, states, rank: 2, directions: Directions::Eight }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// Notes the values that are off by more than `tolerance` of the largest expected one; returns the worst error as a multiple
/// of that.
pub(crate) fn compare(name: &str, actual: &[f32], expected: &[f64], tolerance: f64, failures: &mut Vec<String>) -> f64 {
    let largest = expected.iter().fold(1e-6f64, |max, value| max.max(value.abs()));
    compare_by(name, actual, expected, |_| tolerance * largest, failures)
}

/// Notes in one entry how many values are off by more than is `allowed` for what is expected, and the worst of them; returns
/// the worst error as a multiple of what is allowed.
pub(crate) fn compare_by(
    name: &str,
    actual: &[f32],
    expected: &[f64],
    allowed: impl Fn(f64) -> f64,
    failures: &mut Vec<String>,
) -> f64 {
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    let error = |(&actual, &expected): (&f32, &f64)| {
        let error = (f64::from(actual) - expected).abs() / allowed(expected);
        // a NaN must fail too
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let errors: Vec<f64> = actual.iter().zip(expected).map(error).collect();
    let mut off: Vec<usize> = (0..errors.len()).filter(|&index| errors[index] > 1.0).collect();
    if !off.is_empty() {
        off.sort_by(|&one, &other| errors[other].total_cmp(&errors[one]));
        let line = |&index: &usize| {
            let (actual, expected, error) = (actual[index], expected[index], errors[index]);
            format!("[{index}]: got {actual}, expected {expected}, {error:.2} times what is allowed")
        };
        let worst: Vec<String> = off.iter().take(5).map(line).collect();
        let (count, of, worst) = (off.len(), errors.len(), worst.join("\n    "));
        failures.push(format!("{name}: {count} of {of} values are off, the worst first\n    {worst}"));
    }
    errors.into_iter().fold(0.0, f64::max)
}

/// Fails once with everything that was collected.
pub(crate) fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}
