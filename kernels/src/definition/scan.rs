use super::error::{ScanError, check_dimensions, check_length};

/// Sizes of a plain selective scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScanShape {
    /// B, independent sequences.
    pub batch: usize,
    /// G, groups of channels that share `b` and `c`.
    pub groups: usize,
    /// D, channels of one group.
    pub channels: usize,
    /// N, states of one channel.
    pub states: usize,
    /// L, steps of a sequence.
    pub length: usize,
}

/// Inputs of a plain selective scan: contiguous row-major slices.
#[derive(Debug, Clone, Copy)]
pub struct ScanInputs<'a, T> {
    /// Input, `[B, G * D, L]`.
    pub u: &'a [T],
    /// Step before bias and softplus, `[B, G * D, L]`.
    pub delta: &'a [T],
    /// Decay, `[G * D, N]`; negative in a stable model.
    pub a: &'a [T],
    /// Input projection, `[B, G, N, L]`; channel `ch` uses group `ch / D`.
    pub b: &'a [T],
    /// Output projection, `[B, G, N, L]`.
    pub c: &'a [T],
    /// Skip connection (`D` in the papers), `[G * D]`.
    pub skip: Option<&'a [T]>,
    /// Bias of the step, `[G * D]`.
    pub delta_bias: Option<&'a [T]>,
    /// Whether the step goes through softplus (linear above 20).
    pub delta_softplus: bool,
}

/// Which gradients a backward pass has to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one flag an input")]
pub struct ScanNeeds {
    /// Gradient of `u`.
    pub u: bool,
    /// Gradient of `delta`.
    pub delta: bool,
    /// Gradient of `a`.
    pub a: bool,
    /// Gradient of `b`.
    pub b: bool,
    /// Gradient of `c`.
    pub c: bool,
    /// Gradient of `skip`.
    pub skip: bool,
    /// Gradient of `delta_bias`.
    pub delta_bias: bool,
}

impl ScanNeeds {
    /// All seven gradients.
    pub const ALL: Self = Self { u: true, delta: true, a: true, b: true, c: true, skip: true, delta_bias: true };
}

/// Gradients of a plain selective scan, each in the shape of its input; `None` where it was not asked for.
#[derive(Debug, Clone, Default)]
pub struct ScanGradients<T> {
    /// Gradient of `u`, `[B, G * D, L]`.
    pub u: Option<Vec<T>>,
    /// Gradient of `delta`, `[B, G * D, L]`.
    pub delta: Option<Vec<T>>,
    /// Gradient of `a`, `[G * D, N]`.
    pub a: Option<Vec<T>>,
    /// Gradient of `b`, `[B, G, N, L]`.
    pub b: Option<Vec<T>>,
    /// Gradient of `c`, `[B, G, N, L]`.
    pub c: Option<Vec<T>>,
    /// Gradient of `skip`, `[G * D]`.
    pub skip: Option<Vec<T>>,
    /// Gradient of `delta_bias`, `[G * D]`.
    pub delta_bias: Option<Vec<T>>,
}

impl ScanShape {
    /// Elements of `u`, `delta` and `y`: `B * G * D * L`.
    pub const fn sequence_len(&self) -> usize {
        self.batch * self.groups * self.channels * self.length
    }

    /// Elements of `b` and `c`: `B * G * N * L`.
    pub const fn projection_len(&self) -> usize {
        self.batch * self.groups * self.states * self.length
    }

    /// All channels: `G * D`.
    pub const fn all_channels(&self) -> usize {
        self.groups * self.channels
    }

    /// Checks every slice of `inputs` against the shape.
    ///
    /// # Errors
    ///
    /// [`ScanError::Empty`] for a zero dimension, [`ScanError::Length`] for a slice of another length.
    pub fn check<T>(&self, op: &'static str, inputs: &ScanInputs<'_, T>) -> Result<(), ScanError> {
        check_dimensions(
            op,
            &[
                ("batch", self.batch),
                ("groups", self.groups),
                ("channels", self.channels),
                ("states", self.states),
                ("length", self.length),
            ],
        )?;
        let sequence = "[batch, groups * channels, length]";
        let projection = "[batch, groups, states, length]";
        check_length(op, "u", sequence, self.sequence_len(), inputs.u.len())?;
        check_length(op, "delta", sequence, self.sequence_len(), inputs.delta.len())?;
        check_length(op, "a", "[groups * channels, states]", self.all_channels() * self.states, inputs.a.len())?;
        check_length(op, "b", projection, self.projection_len(), inputs.b.len())?;
        check_length(op, "c", projection, self.projection_len(), inputs.c.len())?;
        if let Some(skip) = inputs.skip {
            check_length(op, "skip", "[groups * channels]", self.all_channels(), skip.len())?;
        }
        if let Some(bias) = inputs.delta_bias {
            check_length(op, "delta_bias", "[groups * channels]", self.all_channels(), bias.len())?;
        }
        Ok(())
    }

    /// Checks the gradient of `y`.
    pub(crate) fn check_grad<T>(&self, op: &'static str, dy: &[T]) -> Result<(), ScanError> {
        check_length(op, "dy", "[batch, groups * channels, length]", self.sequence_len(), dy.len())
    }
}
