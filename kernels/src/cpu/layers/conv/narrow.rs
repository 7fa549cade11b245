//! Convolutions to a few channels, where a pixel's outputs would leave most lanes idle.
//!
//! The forward pass takes neighbouring pixels as lanes, which needs the map with its channels one after the other; the weight
//! gradient takes neighbouring inputs of a patch as lanes.

use super::{
    ConvShape,
    band::Band,
    kernel::{LONG, Start, Strided, Sweep},
    panels::{Panel, Panels},
    weight::Bands,
};
use crate::cpu::{layers::bands::Fresh, shared::SharedSlice};
use rayon::prelude::*;

/// Cost of bringing an input or output into the other order, in vectors of products.
const EXCHANGE: usize = 3;
/// Values of a band.
const BAND: usize = 1 << 17;
/// Bands of a map, where they are not larger then.
const BANDS: usize = 8;

/// Whether pixels make better lanes than output channels.
pub(super) fn pays(shape: ConvShape) -> bool {
    let panels = Panels::new(shape.out_channels);
    let saved = shape.patch() * panels.idle();
    shape.stride == 1 && saved > EXCHANGE * (shape.in_channels + shape.out_channels) * panels.lanes()
}

/// `[batch, out_height, out_width, out_channels]`.
pub(super) fn forward(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (height, width, channels) = (shape.out_height(), shape.out_width(), shape.out_channels);
    let len = shape.output().len();
    let mut y = Vec::new();
    if len == 0 {
        return y;
    }
    let zeros = vec![0.0; channels];
    let bias = bias.unwrap_or(&zeros);
    let weight = by_rows(shape, weight);
    let panels = Panels::for_rows(width, channels);
    let columns = width + shape.kernel - 1;
    // One channel of one row; the last vector of a row reads beyond it.
    let line = shape.in_channels * columns;
    let held = (BAND / line).saturating_sub(shape.kernel - 1).max(1);
    let rows = held.min(height.div_ceil(BANDS));
    let bands = height.div_ceil(rows);
    let fresh = Fresh::new(&mut y, len);
    (0..shape.batch * bands).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        let (sample, from) = (task / bands, task % bands * rows);
        let rows = rows.min(height - from);
        let band = Band {
            sample,
            top: from as isize - shape.padding as isize,
            left: -(shape.padding as isize),
            rows: rows + shape.kernel - 1,
            columns,
        };
        scratch.load(shape, band, x, LONG * panels.lanes());
        for row in 0..rows {
            let sums = SharedSlice::new(&mut scratch.sums);
            for panel in (0..panels.len()).map(|index| panels.get(index)) {
                let sweep = Sweep {
                    rows: channels,
                    segments: shape.kernel * shape.in_channels,
                    steps: shape.kernel,
                    scalars: Strided { values: &weight, row: shape.patch(), segment: shape.kernel, step: 1 },
                    vectors: Strided {
                        values: &scratch.planes[row * line + panel.from..],
                        row: 0,
                        segment: columns,
                        step: 1,
                    },
                    start: Start::Zero,
                    out: sums,
                    out_at: panel.from,
                    out_row: width,
                    columns: panel.channels,
                };
                // SAFETY: the sums belong to this task.
                unsafe { sweep.run(panel.vectors) };
            }
            // SAFETY: tasks have different rows.
            let y = unsafe { fresh.part((sample * height + from + row) * width * channels, width * channels) };
            for (channel, (sums, bias)) in scratch.sums.chunks_exact(width).zip(bias).enumerate() {
                for (y, sum) in y[channel..].iter_mut().step_by(channels).zip(sums) {
                    *y = sum + bias;
                }
            }
        }
    });
    // SAFETY: the bands wrote every row.
    unsafe { y.set_len(len) };
    y
}

/// Gradient of the input, where it is such a convolution of `dy`: with the kernel turned and its channels exchanged.
pub(super) fn input_gradient(shape: ConvShape, weight: &[f32], dy: &[f32]) -> Option<Vec<f32>> {
    if shape.stride > 1 || shape.padding >= shape.kernel || dy.is_empty() {
        return None;
    }
    let turned = ConvShape {
        height: shape.out_height(),
        width: shape.out_width(),
        in_channels: shape.out_channels,
        out_channels: shape.in_channels,
        padding: shape.kernel - 1 - shape.padding,
        ..shape
    };
    pays(turned).then(|| {
        let square = shape.kernel * shape.kernel;
        let mut weights = Vec::with_capacity(weight.len());
        for channel in 0..shape.in_channels {
            for weight in weight.chunks_exact(shape.patch()) {
                weights.extend(weight[channel * square..][..square].iter().rev());
            }
        }
        forward(turned, dy, &weights, None)
    })
}

/// What a task of the forward pass holds.
#[derive(Default)]
struct Scratch {
    /// `[rows, columns, in_channels]`.
    band: Vec<f32>,
    /// `[rows, in_channels, columns]` and some zeros.
    planes: Vec<f32>,
    /// One output row, `[out_channels, width]`.
    sums: Vec<f32>,
}

impl Scratch {
    fn load(&mut self, shape: ConvShape, band: Band, x: &[f32], beyond: usize) {
        let channels = shape.in_channels;
        band.copy(shape.input(), x, &mut self.band);
        self.planes.resize(self.band.len() + beyond, 0.0);
        let line = band.columns * channels;
        for (pixels, planes) in self.band.chunks_exact(line).zip(self.planes.chunks_exact_mut(line)) {
            for (channel, plane) in planes.chunks_exact_mut(band.columns).enumerate() {
                for (to, from) in plane.iter_mut().zip(pixels[channel..].iter().step_by(channels)) {
                    *to = *from;
                }
            }
        }
        self.sums.resize(shape.out_channels * shape.out_width(), 0.0);
    }
}

/// Weights as `[out_channels, kernel rows, in_channels, kernel columns]`.
fn by_rows(shape: ConvShape, weight: &[f32]) -> Vec<f32> {
    let mut packed = Vec::with_capacity(weight.len());
    for weight in weight.chunks_exact(shape.patch()) {
        for row in 0..shape.kernel {
            for weight in weight.chunks_exact(shape.kernel * shape.kernel) {
                packed.extend_from_slice(&weight[row * shape.kernel..][..shape.kernel]);
            }
        }
    }
    packed
}

/// Whether the inputs of a kernel row fill more lanes than the output channels.
pub(super) fn pays_for_weight(shape: ConvShape) -> bool {
    let run = shape.kernel * shape.in_channels;
    let (inputs, outputs) = (Panels::new(run), Panels::new(shape.out_channels));
    run * outputs.width() > shape.out_channels * inputs.width()
}

/// `[out_channels, in_channels, kernel, kernel]`.
pub(super) fn weight_gradient(shape: ConvShape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let run = shape.kernel * shape.in_channels;
    let mut gradient = vec![0.0; shape.patch() * shape.out_channels];
    if dy.is_empty() {
        return gradient;
    }
    let panels = Panels::for_rows(run, shape.out_channels);
    // Sums of a group: `[kernel rows][panel][out_channels, width]`.
    let size = shape.kernel * panels.width() * shape.out_channels;
    let bands = Bands::new(shape, size);
    let mut sums = Vec::with_capacity(bands.groups * size);
    let shared = SharedSlice::of_capacity(&mut sums);
    (0..bands.groups).into_par_iter().for_each(|group| {
        bands.visit(group, x, dy, |map, band, dy, first| {
            for row in 0..shape.kernel {
                for panel in (0..panels.len()).map(|index| panels.get(index)) {
                    let at = (row * panels.width() + panel.from) * shape.out_channels;
                    add_band(shape, map, (band, row), dy, first, panel, (shared, group * size + at));
                }
            }
        });
    });
    // SAFETY: the first band of every group wrote all its sums.
    unsafe { sums.set_len(bands.groups * size) };
    for sums in sums.chunks_exact(size) {
        for row in 0..shape.kernel {
            for panel in (0..panels.len()).map(|index| panels.get(index)) {
                let sums = &sums[(row * panels.width() + panel.from) * shape.out_channels..];
                for (sums, weights) in sums.chunks_exact(panel.width).zip(gradient.chunks_exact_mut(shape.patch())) {
                    for (lane, sum) in sums[..panel.channels].iter().enumerate() {
                        let (column, source) =
                            ((panel.from + lane) / shape.in_channels, (panel.from + lane) % shape.in_channels);
                        weights[(source * shape.kernel + row) * shape.kernel + column] += sum;
                    }
                }
            }
        }
    }
    gradient
}

/// Adds the products of some inputs of a kernel row and the gradients of a band's output pixels; `first` starts the sums.
fn add_band(
    shape: ConvShape,
    map: &[f32],
    (band, row): (Band, usize),
    dy: &[f32],
    first: bool,
    panel: Panel,
    (out, out_at): (SharedSlice<'_>, usize),
) {
    let pitch = band.columns * shape.in_channels;
    let width = shape.out_width();
    let sweep = Sweep {
        rows: shape.out_channels,
        segments: (band.rows - shape.kernel) / shape.stride + 1,
        steps: width,
        scalars: Strided { values: dy, row: 1, segment: width * shape.out_channels, step: shape.out_channels },
        vectors: Strided {
            values: &map[row * pitch + panel.from..],
            row: 0,
            segment: shape.stride * pitch,
            step: shape.stride * shape.in_channels,
        },
        start: if first { Start::Zero } else { Start::Out },
        out,
        out_at,
        out_row: panel.width,
        columns: panel.width,
    };
    // SAFETY: tasks differ in their groups.
    unsafe { sweep.run(panel.vectors) };
}
