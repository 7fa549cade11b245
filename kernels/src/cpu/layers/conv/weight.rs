use super::{
    ConvShape,
    band::Band,
    kernel::{Start, Strided, Sweep},
    panels::{Panel, Panels},
};
use crate::cpu::{
    layers::{Rows, sum_rows},
    shared::SharedSlice,
};
use rayon::prelude::*;

/// Output pixels of a band: their gradients stay in a core's first-level cache.
const PIXELS: usize = 128;
/// Tasks at most.
const TASKS: usize = 16;
/// Values of the partial sums of all groups of bands, together.
const SUMS: usize = 1 << 20;

/// `[out_channels]`.
pub(super) fn bias_gradient(shape: ConvShape, dy: &[f32]) -> Vec<f32> {
    sum_rows(Rows::new(dy, shape.out_channels))
}

/// `[out_channels, in_channels, kernel, kernel]`.
pub(super) fn weight_gradient(shape: ConvShape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let panels = Panels::new(shape.out_channels);
    let (height, width, depth) = (shape.out_height(), shape.out_width(), shape.patch());
    let mut gradient = vec![0.0; depth * shape.out_channels];
    if gradient.is_empty() || dy.is_empty() {
        return gradient;
    }
    // Bands of output rows fall into groups with a sum of their own; tasks are pairs of a group and some panels.
    let rows = PIXELS.div_ceil(width).min(height);
    let bands = height.div_ceil(rows);
    let total = shape.batch * bands;
    let sum = depth * panels.width();
    let groups = (SUMS / sum).clamp(1, TASKS).min(total);
    let cuts = TASKS.div_ceil(groups).min(panels.len());
    let cut = panels.len().div_ceil(cuts);
    let mut sums = vec![0.0; groups * sum];
    let out = SharedSlice::new(&mut sums);
    (0..groups * cuts).into_par_iter().for_each(|task| {
        let (group, first) = (task / cuts, task % cuts * cut);
        let (mut map, mut pixels) = (Vec::new(), Vec::new());
        for band in group * total / groups..(group + 1) * total / groups {
            let (sample, from) = (band / bands, band % bands * rows);
            let rows = rows.min(height - from);
            let place = Band {
                sample,
                top: (from * shape.stride) as isize - shape.padding as isize,
                left: -(shape.padding as isize),
                rows: (rows - 1) * shape.stride + shape.kernel,
                columns: (width - 1) * shape.stride + shape.kernel,
            };
            place.copy(shape.input(), x, &mut map);
            let at = (sample * height + from) * width * shape.out_channels;
            let dy = &dy[at..][..rows * width * shape.out_channels];
            for index in first..(first + cut).min(panels.len()) {
                let panel = panels.get(index);
                panel.copy(dy, shape.out_channels, &mut pixels);
                add_band(shape, &map, (rows, place.columns), &pixels, panel, out, group * sum + panel.from * depth);
            }
        }
    });
    unpack(shape, panels, &sums, &mut gradient);
    gradient
}

/// Adds the products of a band `[rows, columns, in_channels]` of the map and the gradients of its output pixels to the sums
/// `[depth, width]` from `out_at` on. `band` holds the output rows and the columns of the map.
fn add_band(
    shape: ConvShape,
    map: &[f32],
    band: (usize, usize),
    pixels: &[f32],
    panel: Panel,
    out: SharedSlice<'_>,
    out_at: usize,
) {
    let pitch = band.1 * shape.in_channels;
    let run = shape.kernel * shape.in_channels;
    let width = shape.out_width();
    for row in 0..shape.kernel {
        let sweep = Sweep {
            rows: run,
            segments: band.0,
            steps: width,
            scalars: Strided {
                values: &map[row * pitch..],
                row: 1,
                segment: shape.stride * pitch,
                step: shape.stride * shape.in_channels,
            },
            vectors: Strided { values: pixels, row: 0, segment: width * panel.width, step: panel.width },
            start: Start::Out,
            out,
            out_at: out_at + row * run * panel.width,
            out_row: panel.width,
            columns: panel.width,
        };
        // SAFETY: tasks differ in their groups or in their panels.
        unsafe { sweep.run(panel.vectors) };
    }
}

/// Adds the sums `[group][panel][kernel, kernel, in_channels, width]` and brings them into the order of the weights.
fn unpack(shape: ConvShape, panels: Panels, sums: &[f32], gradient: &mut [f32]) {
    let (depth, square) = (shape.patch(), shape.kernel * shape.kernel);
    let out = SharedSlice::new(gradient);
    (0..panels.len()).into_par_iter().for_each(|index| {
        let panel = panels.get(index);
        // SAFETY: panels are disjoint.
        let out = unsafe { out.range(panel.from * depth, panel.channels * depth) };
        for sums in sums.chunks_exact(depth * panels.width()) {
            let sums = panel.part(sums, depth);
            for source in 0..shape.in_channels {
                for tap in 0..square {
                    let sums = &sums[(tap * shape.in_channels + source) * panel.width..][..panel.channels];
                    for (out, sum) in out[source * square + tap..].iter_mut().step_by(depth).zip(sums) {
                        *out += sum;
                    }
                }
            }
        }
    });
}
