//! 2-D convolutions on channel-last maps.
//!
//! * `kernel.rs`: the inner loop;
//! * `band.rs`: zero-padded bands of a map, so that the inner loop meets no border;
//! * `panels.rs`: weights in the order in which the inner loop reads them;
//! * `gather.rs`: the forward pass and the input gradient, pixel by pixel from the patches that feed it;
//! * `weight.rs`: the weight gradient;
//! * `narrow.rs`: the same for so few output channels that they would leave most lanes idle.

mod band;
mod gather;
mod kernel;
mod narrow;
mod panels;
mod weight;

use super::MapShape;

/// Sizes of a 2-D convolution on channel-last maps; square kernel, same stride and zero padding both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Maps.
    pub batch: usize,
    /// Rows of an input map.
    pub height: usize,
    /// Columns of an input map.
    pub width: usize,
    /// Channels of an input map.
    pub in_channels: usize,
    /// Channels of an output map.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Input rows from one output row to the next, and likewise for columns.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
}

impl ConvShape {
    /// Rows of an output map.
    pub fn out_height(&self) -> usize {
        self.outputs(self.height)
    }

    /// Columns of an output map.
    pub fn out_width(&self) -> usize {
        self.outputs(self.width)
    }

    fn outputs(&self, size: usize) -> usize {
        let padded = size + 2 * self.padding;
        if padded < self.kernel { 0 } else { (padded - self.kernel) / self.stride + 1 }
    }

    fn input(&self) -> MapShape {
        MapShape { batch: self.batch, height: self.height, width: self.width, channels: self.in_channels }
    }

    fn output(&self) -> MapShape {
        MapShape { batch: self.batch, height: self.out_height(), width: self.out_width(), channels: self.out_channels }
    }

    /// Inputs that one output sees.
    fn patch(&self) -> usize {
        self.kernel * self.kernel * self.in_channels
    }

    /// Multiply-adds of the whole convolution.
    fn work(&self) -> usize {
        self.output().len() * self.patch()
    }

    fn check(&self, x: &[f32]) {
        assert!(self.kernel > 0 && self.stride > 0, "kernel {} and stride {}", self.kernel, self.stride);
        self.input().check("x", x.len());
    }

    fn check_weight(&self, weight: &[f32]) {
        let (from, to) = (weight.len(), self.patch() * self.out_channels);
        assert!(from == to, "{from} weights for {self:?}, which has {to}");
    }
}

/// Gradients to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvNeeds {
    /// Of the input.
    pub x: bool,
    /// Of the weights.
    pub weight: bool,
    /// Of the bias.
    pub bias: bool,
}

/// What [`ConvNeeds`] asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvGradients {
    /// `[batch, height, width, in_channels]`.
    pub x: Option<Vec<f32>>,
    /// `[out_channels, in_channels, kernel, kernel]`.
    pub weight: Option<Vec<f32>>,
    /// `[out_channels]`.
    pub bias: Option<Vec<f32>>,
}

/// Convolution of `x [batch, height, width, in_channels]` with `weight [out_channels, in_channels, kernel, kernel]`, plus
/// `bias [out_channels]`: `[batch, out_height, out_width, out_channels]`.
///
/// # Panics
///
/// When a slice does not fit `shape`.
pub fn conv2d(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    shape.check(x);
    shape.check_weight(weight);
    if let Some(bias) = bias {
        assert!(bias.len() == shape.out_channels, "{} biases for {} channels", bias.len(), shape.out_channels);
    }
    let forward = if narrow::pays(shape) { narrow::forward } else { gather::forward };
    forward(shape, x, weight, bias)
}

/// Gradients of [`conv2d`] from those of its output, `dy [batch, out_height, out_width, out_channels]`.
///
/// # Panics
///
/// When a slice does not fit `shape`.
pub fn conv2d_backward(shape: ConvShape, x: &[f32], weight: &[f32], dy: &[f32], needs: ConvNeeds) -> ConvGradients {
    shape.check(x);
    shape.check_weight(weight);
    shape.output().check("dy", dy.len());
    let weight_gradient =
        if narrow::pays_for_weight(shape) { narrow::weight_gradient } else { weight::weight_gradient };
    ConvGradients {
        x: needs.x.then(|| {
            narrow::input_gradient(shape, weight, dy).unwrap_or_else(|| gather::input_gradient(shape, weight, dy))
        }),
        weight: needs.weight.then(|| weight_gradient(shape, x, dy)),
        bias: needs.bias.then(|| weight::bias_gradient(shape, dy)),
    }
}
