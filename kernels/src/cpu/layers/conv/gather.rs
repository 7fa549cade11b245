//! Every pixel of the target map from the patch of the source map that feeds it.
//!
//! The forward pass gathers from the input. The input gradient gathers from the output gradient: with stride `s`, input
//! pixels fall into `s * s` classes by their place modulo `s`, and each class sees its own taps of the kernel, at neighbouring
//! pixels of the output gradient. So no class computes a product with a zero, and nothing is scattered.

use super::{
    ConvShape, MapShape,
    band::Band,
    kernel::{Start, Strided, Sweep},
    panels::{Panel, Panels, Taps, Weights},
};
use crate::cpu::{memory::room, shared::SharedSlice};
use rayon::prelude::*;

/// Values of a band that a core's second-level cache holds beside the weights.
const BAND: usize = 1 << 16;
/// Multiply-adds that are worth a task of their own.
const TASK: usize = 1 << 21;
/// At most so many tasks cut a sample's channels: each copies its band.
const TASKS: usize = 16;

/// Target pixels whose place modulo the spacing is the same.
struct Class {
    /// First target row and column.
    first: (usize, usize),
    /// Taps that reach them.
    taps: (usize, usize),
    /// Place of their first patch in the band.
    patch: (usize, usize),
    /// Packed weights of all panels.
    weights: Vec<f32>,
}

struct Gather<'a> {
    source: MapShape,
    map: &'a [f32],
    target: MapShape,
    /// Source pixels from one target pixel of a class to the next.
    step: usize,
    /// Target pixels from one of a class to the next.
    spacing: usize,
    /// First source row and column of a map's first patch, all classes together.
    origin: isize,
    /// Source rows and columns of a patch, all classes together.
    reach: usize,
    classes: Vec<Class>,
    panels: Panels,
    /// What every pixel starts with, in lanes of all panels.
    start: Vec<f32>,
}

pub(super) fn forward(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let panels = Panels::new(shape.out_channels);
    let taps = Taps { first: 0, step: 1, count: shape.kernel, flip: false };
    let weights = Weights {
        values: weight,
        kernel: shape.kernel,
        sources: shape.in_channels,
        lane_stride: shape.patch(),
        source_stride: shape.kernel * shape.kernel,
    };
    let mut start = bias.map_or_else(Vec::new, <[f32]>::to_vec);
    start.resize(panels.width(), 0.0);
    Gather {
        source: shape.input(),
        map: x,
        target: shape.output(),
        step: shape.stride,
        spacing: 1,
        origin: -(shape.padding as isize),
        reach: shape.kernel,
        classes: vec![Class {
            first: (0, 0),
            taps: (shape.kernel, shape.kernel),
            patch: (0, 0),
            weights: weights.pack(panels, taps, taps),
        }],
        panels,
        start,
    }
    .run(shape.work())
}

pub(super) fn input_gradient(shape: ConvShape, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let panels = Panels::new(shape.in_channels);
    let square = shape.kernel * shape.kernel;
    let weights = Weights {
        values: weight,
        kernel: shape.kernel,
        sources: shape.out_channels,
        lane_stride: square,
        source_stride: shape.patch(),
    };
    // Input row `q s + r` meets kernel row `k` at output row `q + (r + padding - k) / s` where that is whole: for
    // `k = first + t s` at `q + last - t`.
    let stride = shape.stride;
    let side = |r: usize| {
        let first = (r + shape.padding) % stride;
        let count = shape.kernel.saturating_sub(first).div_ceil(stride);
        let last = ((r + shape.padding) / stride) as isize;
        (Taps { first, step: stride, count, flip: true }, last - count as isize + 1)
    };
    let origin = (0..stride).map(|r| side(r).1).min().unwrap_or(0);
    let end = (0..stride).map(|r| side(r).1 + side(r).0.count as isize).max().unwrap_or(0);
    let mut classes = Vec::with_capacity(stride * stride);
    for first in (0..stride).flat_map(|row| (0..stride).map(move |column| (row, column))) {
        let ((rows, top), (columns, left)) = (side(first.0), side(first.1));
        classes.push(Class {
            first,
            taps: (rows.count, columns.count),
            patch: ((top - origin) as usize, (left - origin) as usize),
            weights: weights.pack(panels, rows, columns),
        });
    }
    Gather {
        source: shape.output(),
        map: dy,
        target: shape.input(),
        step: 1,
        spacing: stride,
        origin,
        reach: (end - origin) as usize,
        classes,
        panels,
        start: vec![0.0; panels.width()],
    }
    .run(shape.work())
}

impl Gather<'_> {
    /// The target map. `work` is the number of multiply-adds.
    fn run(&self, work: usize) -> Vec<f32> {
        let len = self.target.len();
        let mut target = room(len);
        if len == 0 {
            return target;
        }
        // Pixels of the largest class.
        let height = self.target.height.div_ceil(self.spacing);
        let columns = (self.target.width.div_ceil(self.spacing) - 1) * self.step + self.reach;
        let held = BAND / (columns * self.source.channels).max(1);
        let rows = (held.saturating_sub(self.reach) / self.step + 1).min(height);
        let bands = height.div_ceil(rows);
        // Even bands.
        let rows = height.div_ceil(bands);
        let samples = self.target.batch * bands;
        let cuts = (work / TASK).clamp(1, TASKS).div_ceil(samples).min(self.panels.len());
        let panels = self.panels.len().div_ceil(cuts);
        let out = SharedSlice::of_capacity(&mut target);
        (0..samples * cuts).into_par_iter().for_each_init(Vec::new, |buffer, task| {
            let (band, cut) = (task / cuts, task % cuts);
            let from = band % bands * rows;
            let place = Band {
                sample: band / bands,
                top: self.origin + (from * self.step) as isize,
                left: self.origin,
                rows: (rows.min(height.saturating_sub(from)).max(1) - 1) * self.step + self.reach,
                columns,
            };
            place.copy(self.source, self.map, buffer);
            for panel in cut * panels..((cut + 1) * panels).min(self.panels.len()) {
                for class in &self.classes {
                    for row in from..(from + rows).min(height) {
                        self.row(place, (row, from), class, self.panels.get(panel), buffer, out);
                    }
                }
            }
        });
        // SAFETY: the classes cover every pixel, the panels every channel.
        unsafe { target.set_len(len) };
        target
    }

    /// One row of a class; `row` is its number and that of the band's first.
    fn row(&self, band: Band, row: (usize, usize), class: &Class, panel: Panel, buffer: &[f32], out: SharedSlice<'_>) {
        let channels = self.source.channels;
        let (y, x) = (row.0 * self.spacing + class.first.0, class.first.1);
        if y >= self.target.height || x >= self.target.width {
            return;
        }
        let run = class.taps.1 * channels;
        let pitch = band.columns * channels;
        let at = ((row.0 - row.1) * self.step + class.patch.0) * pitch + class.patch.1 * channels;
        let sweep = Sweep {
            rows: (self.target.width - x).div_ceil(self.spacing),
            segments: class.taps.0,
            steps: run,
            scalars: Strided {
                values: &buffer[at.min(buffer.len())..],
                row: self.step * channels,
                segment: pitch,
                step: 1,
            },
            vectors: Strided {
                values: panel.part(&class.weights, class.taps.0 * run),
                row: 0,
                segment: run * panel.width,
                step: panel.width,
            },
            start: Start::Lanes(&self.start[panel.from..]),
            out,
            out_at: ((band.sample * self.target.height + y) * self.target.width + x) * self.target.channels
                + panel.from,
            out_row: self.spacing * self.target.channels,
            columns: panel.channels,
        };
        // SAFETY: tasks differ in their rows or in their panels.
        unsafe { sweep.run(panel.vectors) };
    }
}
