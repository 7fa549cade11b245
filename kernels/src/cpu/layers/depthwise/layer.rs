use super::{MapShape, PARAMETERS, TAPS};
use crate::cpu::layers::Rows;
use pulp::Simd;
use std::ops::Range;

/// Pixels of a task.
const PIXELS: usize = 512;
/// Rows of a task at least, where the map has them: the backward pass computes one more above and below.
const ROWS: usize = 8;
/// Channels of a task at most: long runs of memory, and weights that stay in the first-level cache.
const CHANNELS: usize = 256;

pub(super) struct Layer<'a> {
    pub(super) shape: MapShape,
    pub(super) x: Rows<'a>,
    weight: &'a [f32],
    bias: &'a [f32],
    /// Rows of a band.
    rows: usize,
    /// A pixel outside the map.
    outside: Vec<f32>,
}

/// Some rows and channels of one map.
pub(super) struct Task {
    pub(super) sample: usize,
    pub(super) band: usize,
    pub(super) rows: Range<usize>,
    pub(super) channels: Range<usize>,
}

impl<'a> Layer<'a> {
    pub(super) fn new(shape: MapShape, x: Rows<'a>, weight: &'a [f32], bias: &'a [f32]) -> Self {
        let channels = shape.channels;
        shape.check_rows("x", x.len(), x.columns());
        assert!(weight.len() == channels * TAPS, "{} weights for {channels} channels", weight.len());
        assert!(bias.len() == channels, "{} biases for {channels} channels", bias.len());
        let rows = (PIXELS / shape.width).max(ROWS).min(shape.height);
        Self { shape, x, weight, bias, rows, outside: vec![0.0; channels] }
    }

    /// Bands of a map.
    pub(super) fn bands(&self) -> usize {
        self.shape.height.div_ceil(self.rows)
    }

    pub(super) fn tasks(&self) -> Vec<Task> {
        let (bands, cuts) = (self.bands(), self.shape.channels.div_ceil(CHANNELS));
        (0..self.shape.batch * bands * cuts)
            .map(|index| {
                let (band, cut) = (index / cuts, index % cuts);
                let from = band % bands * self.rows;
                Task {
                    sample: band / bands,
                    band,
                    rows: from..(from + self.rows).min(self.shape.height),
                    channels: cut * CHANNELS..((cut + 1) * CHANNELS).min(self.shape.channels),
                }
            })
            .collect()
    }

    /// Index of a pixel.
    #[inline(always)]
    pub(super) fn pixel(&self, sample: usize, y: usize, x: usize) -> usize {
        (sample * self.shape.height + y) * self.shape.width + x
    }

    /// Some channels of the pixels under the kernel at `(y, x)`.
    #[inline(always)]
    pub(super) fn window(&self, task: &Task, y: usize, x: usize) -> [&[f32]; TAPS] {
        let mut window = [&self.outside[task.channels.clone()]; TAPS];
        for tap in 0..TAPS {
            // One more, so that the row and column before the first are 0.
            let (y, x) = (y + tap / 3, x + tap % 3);
            if y > 0 && x > 0 && y <= self.shape.height && x <= self.shape.width {
                window[tap] = &self.x.row(self.pixel(task.sample, y - 1, x - 1))[task.channels.clone()];
            }
        }
        window
    }

    /// Weights and bias of a task's channels, `[vectors, PARAMETERS]`; zeros in the lanes without a channel.
    #[inline(always)]
    pub(super) fn parameters<S: Simd>(&self, simd: S, channels: Range<usize>, flip: bool) -> Vec<S::f32s> {
        let mut parameters = Vec::with_capacity(channels.len().div_ceil(S::F32_LANES) * PARAMETERS);
        for from in channels.clone().step_by(S::F32_LANES) {
            let count = S::F32_LANES.min(channels.end - from);
            for tap in 0..TAPS {
                let tap = if flip { TAPS - 1 - tap } else { tap };
                let mut lanes = [0.0; 64];
                for lane in 0..count {
                    lanes[lane] = self.weight[(from + lane) * TAPS + tap];
                }
                parameters.push(simd.partial_load_f32s(&lanes[..S::F32_LANES]));
            }
            parameters.push(simd.partial_load_f32s(&self.bias[from..][..count]));
        }
        parameters
    }
}
