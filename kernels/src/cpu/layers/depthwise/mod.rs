//! `SiLU` of the depthwise 3x3 convolution.
//!
//! * `layer.rs`: operands, and how a map is cut into tasks;
//! * `window.rs`: the pixels under the kernel, in SIMD lanes;
//! * `forward.rs` and `backward.rs`: one task of each pass.

mod backward;
mod forward;
mod layer;
mod window;

use super::{Rows, RowsMut, bands::Fresh};
use crate::cpu::shared::SharedSlice;
use backward::Backward;
use forward::Forward;
use layer::Layer;
use pulp::Arch;
use rayon::prelude::*;

/// Sizes of a channel-last map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapShape {
    /// Maps.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl MapShape {
    fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    pub(super) fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    pub(super) fn check(&self, name: &str, len: usize) {
        assert!(len == self.len(), "{len} values of {name} for {self:?}, which has {}", self.len());
    }

    fn check_rows(&self, name: &str, rows: usize, columns: usize) {
        let fits = rows == self.pixels() && columns == self.channels;
        assert!(fits, "{rows} rows of {columns} as {name} for {self:?}, which has {}", self.pixels());
    }
}

/// Gradients of the parameters of [`depthwise_silu`].
#[derive(Debug, Clone, PartialEq)]
pub struct DepthwiseGradients {
    /// `[channels, 1, 3, 3]`.
    pub weight: Vec<f32>,
    /// `[channels]`.
    pub bias: Vec<f32>,
}

/// Taps of the kernel.
const TAPS: usize = 9;
/// Weights and bias of a channel.
const PARAMETERS: usize = TAPS + 1;
/// `SiLU` of the depthwise 3x3 convolution, stride 1, zero padding 1: `x [batch * height * width, channels]`,
/// `weight [channels, 1, 3, 3]`, `bias [channels]` to `[batch, height, width, channels]`.
///
/// # Panics
///
/// When an argument does not fit `shape`.
pub fn depthwise_silu(shape: MapShape, x: Rows<'_>, weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = Vec::new();
    if shape.len() == 0 {
        return y;
    }
    let layer = Layer::new(shape, x, weight, bias);
    let out = &Fresh::new(&mut y, shape.len());
    layer.tasks().into_par_iter().for_each(|task| Arch::new().dispatch(Forward { layer: &layer, task, out }));
    // SAFETY: the tasks took every pixel and channel.
    unsafe { y.set_len(shape.len()) };
    y
}

/// Gradients of [`depthwise_silu`] from those of its output, `dy [batch, height, width, channels]`. The convolution is
/// computed again. The gradient of `x` is written into `dx [batch * height * width, channels]`.
///
/// # Panics
///
/// When an argument does not fit `shape`.
pub fn depthwise_silu_backward(
    shape: MapShape,
    x: Rows<'_>,
    weight: &[f32],
    bias: &[f32],
    dy: &[f32],
    dx: RowsMut<'_>,
) -> DepthwiseGradients {
    let channels = shape.channels;
    shape.check("dy", dy.len());
    shape.check_rows("dx", dx.len(), dx.columns());
    let mut gradients = DepthwiseGradients { weight: vec![0.0; channels * TAPS], bias: vec![0.0; channels] };
    if dy.is_empty() {
        return gradients;
    }
    let layer = Layer::new(shape, x, weight, bias);
    let bands = shape.batch * layer.bands();
    // Sums of every band, `[bands, TAPS + 1, channels]`: those of the weights, then that of the bias.
    let mut sums = vec![0.0; bands * PARAMETERS * channels];
    let shared = SharedSlice::new(&mut sums);
    let dy = Rows::new(dy, channels);
    // Tasks share rows, each with its own channels.
    // SAFETY: each row is taken once.
    let dx: Vec<_> = (0..dx.len()).map(|row| SharedSlice::new(unsafe { dx.row(row) })).collect();
    let dx = &dx[..];
    layer.tasks().into_par_iter().for_each_init(Vec::new, |slopes, task| {
        Arch::new().dispatch(Backward { layer: &layer, task, dy, dx, sums: shared, slopes });
    });
    for sums in sums.chunks_exact(PARAMETERS * channels) {
        for tap in 0..TAPS {
            let sums = &sums[tap * channels..][..channels];
            for (weight, sum) in gradients.weight[tap..].iter_mut().step_by(TAPS).zip(sums) {
                *weight += sum;
            }
        }
        for (bias, sum) in gradients.bias.iter_mut().zip(&sums[TAPS * channels..]) {
            *bias += sum;
        }
    }
    gradients
}
