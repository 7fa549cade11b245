use super::{
    Directions,
    error::{ScanError, check_dimensions, check_length},
};

/// Sizes of an omnidirectional selective scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OmniShape {
    /// B, maps.
    pub batch: usize,
    /// H, rows of a map.
    pub height: usize,
    /// W, columns of a map.
    pub width: usize,
    /// D, channels of a map.
    pub channels: usize,
    /// N, states of one channel in one direction.
    pub states: usize,
    /// R, rank of the step projection.
    pub rank: usize,
    /// The K pixel orders.
    pub directions: Directions,
}

/// Inputs of an omnidirectional scan: contiguous row-major slices, channels last.
///
/// The projections act on each pixel alone, so they come in pixel order, taken once from the one map. Direction `k`
/// reads the row `projection[.., k, ..] = [dt_low (R) | b (N) | c (N)]` of each pixel that it visits and expands the step
/// itself: `delta[ch] = sum_r dt_weight[k, ch, r] * dt_low[r]`.
#[derive(Debug, Clone, Copy)]
pub struct OmniInputs<'a, T> {
    /// The map, `[B, H, W, D]`.
    pub u: &'a [T],
    /// Low-rank step, `b` and `c` of every pixel and direction, `[B, H, W, K, R + 2 N]`.
    pub projection: &'a [T],
    /// Expansion of the low-rank step, `[K, D, R]`.
    pub dt_weight: &'a [T],
    /// Decay, `[K * D, N]`.
    pub a: &'a [T],
    /// Skip connection, `[K * D]`.
    pub skip: Option<&'a [T]>,
    /// Bias of the step, `[K * D]`.
    pub delta_bias: Option<&'a [T]>,
    /// Whether the step goes through softplus (linear above 20).
    pub delta_softplus: bool,
}

/// Which gradients a backward pass has to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one flag an input")]
pub struct OmniNeeds {
    /// Gradient of `u`.
    pub u: bool,
    /// Gradient of `projection`.
    pub projection: bool,
    /// Gradient of `dt_weight`.
    pub dt_weight: bool,
    /// Gradient of `a`.
    pub a: bool,
    /// Gradient of `skip`.
    pub skip: bool,
    /// Gradient of `delta_bias`.
    pub delta_bias: bool,
}

impl OmniNeeds {
    /// All six gradients.
    pub const ALL: Self = Self { u: true, projection: true, dt_weight: true, a: true, skip: true, delta_bias: true };
}

/// Gradients of an omnidirectional scan, each in the shape of its input; `None` where it was not asked for.
#[derive(Debug, Clone, Default)]
pub struct OmniGradients<T> {
    /// Gradient of `u`, `[B, H, W, D]`.
    pub u: Option<Vec<T>>,
    /// Gradient of `projection`, `[B, H, W, K, R + 2 N]`.
    pub projection: Option<Vec<T>>,
    /// Gradient of `dt_weight`, `[K, D, R]`.
    pub dt_weight: Option<Vec<T>>,
    /// Gradient of `a`, `[K * D, N]`.
    pub a: Option<Vec<T>>,
    /// Gradient of `skip`, `[K * D]`.
    pub skip: Option<Vec<T>>,
    /// Gradient of `delta_bias`, `[K * D]`.
    pub delta_bias: Option<Vec<T>>,
}

impl OmniShape {
    /// L, pixels of a map.
    pub const fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Elements of one projection row: `R + 2 N`.
    pub const fn row(&self) -> usize {
        self.rank + 2 * self.states
    }

    /// Elements of `u` and `y`: `B * H * W * D`.
    pub const fn map_len(&self) -> usize {
        self.batch * self.pixels() * self.channels
    }

    /// Channels of all directions: `K * D`.
    pub const fn all_channels(&self) -> usize {
        self.directions.count() * self.channels
    }

    /// Checks every slice of `inputs` against the shape.
    ///
    /// # Errors
    ///
    /// [`ScanError::Empty`] for a zero dimension, [`ScanError::Length`] for a slice of another length.
    pub fn check<T>(&self, op: &'static str, inputs: &OmniInputs<'_, T>) -> Result<(), ScanError> {
        check_dimensions(
            op,
            &[
                ("batch", self.batch),
                ("height", self.height),
                ("width", self.width),
                ("channels", self.channels),
                ("states", self.states),
                ("rank", self.rank),
            ],
        )?;
        let rows = self.batch * self.pixels() * self.directions.count();
        let channels = self.all_channels();
        check_length(op, "u", "[batch, height, width, channels]", self.map_len(), inputs.u.len())?;
        check_length(
            op,
            "projection",
            "[batch, height, width, directions, rank + 2 * states]",
            rows * self.row(),
            inputs.projection.len(),
        )?;
        check_length(op, "dt_weight", "[directions, channels, rank]", channels * self.rank, inputs.dt_weight.len())?;
        check_length(op, "a", "[directions * channels, states]", channels * self.states, inputs.a.len())?;
        if let Some(skip) = inputs.skip {
            check_length(op, "skip", "[directions * channels]", channels, skip.len())?;
        }
        if let Some(bias) = inputs.delta_bias {
            check_length(op, "delta_bias", "[directions * channels]", channels, bias.len())?;
        }
        Ok(())
    }

    /// Checks the gradient of `y`.
    pub(crate) fn check_grad<T>(&self, op: &'static str, dy: &[T]) -> Result<(), ScanError> {
        check_length(op, "dy", "[batch, height, width, channels]", self.map_len(), dy.len())
    }
}
