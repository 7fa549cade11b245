//! Seeded random problems in f64, and comparison helpers.

use burn_rsmamba_kernels::{Directions, OmniInputs, OmniShape, ScanInputs, ScanShape};

/// A small generator is enough here: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn uniform(&mut self, from: f64, to: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
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

/// Collects every element that is off by more than `tolerance` of the largest expected entry.
pub(crate) fn compare(name: &str, actual: &[f32], expected: &[f64], tolerance: f64, failures: &mut Vec<String>) {
    assert_eq!(actual.len(), expected.len(), "{name}: length");
    let scale = expected.iter().fold(0.0f64, |max, value| max.max(value.abs())).max(1e-6);
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        // a NaN must fail too
        let error = (f64::from(actual) - expected).abs();
        if error.is_nan() || error > tolerance * scale {
            failures.push(format!("{name}[{index}]: got {actual}, expected {expected} (scale {scale:.3e})"));
        }
    }
}

/// Fails once with everything that was collected.
pub(crate) fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{} mismatches:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}
