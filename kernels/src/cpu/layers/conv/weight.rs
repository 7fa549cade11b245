use super::{
    ConvShape,
    band::Band,
    kernel::{LONG, Start, Strided, Sweep},
    panels::{Panel, Panels},
};
use crate::cpu::{
    lanes::lanes,
    layers::{Rows, sum_rows},
    shared::SharedSlice,
};
use pulp::Arch;
use rayon::prelude::*;

/// Output pixels of a band: their gradients stay in a core's first-level cache.
const PIXELS: usize = 128;
/// Tasks at most, but for one a panel.
const TASKS: usize = 16;
/// Partial sums of all groups of bands together.
const SUMS: usize = 1 << 19;

/// `[out_channels]`.
pub(super) fn bias_gradient(shape: ConvShape, dy: &[f32]) -> Vec<f32> {
    sum_rows(Rows::new(dy, shape.out_channels))
}

/// Bands of output rows of all samples, and their even division into groups with sums of their own.
#[derive(Clone, Copy)]
pub(super) struct Bands {
    shape: ConvShape,
    /// Output rows of a band.
    rows: usize,
    pub(super) groups: usize,
}

impl Bands {
    /// `sums` is the number of sums of a group.
    pub(super) fn new(shape: ConvShape, sums: usize) -> Self {
        let rows = PIXELS.div_ceil(shape.out_width()).min(shape.out_height());
        let groups = (SUMS / sums).clamp(1, TASKS).min(shape.batch * shape.out_height().div_ceil(rows));
        Self { shape, rows, groups }
    }

    /// Calls `body` with every band of a group: the padded inputs with zeros for a panel behind them, their place in the
    /// map, the gradients of its output pixels and whether the band is the first.
    pub(super) fn visit(&self, group: usize, x: &[f32], dy: &[f32], mut body: impl FnMut(&[f32], Band, &[f32], bool)) {
        let Self { shape, rows, groups } = *self;
        let (height, width) = (shape.out_height(), shape.out_width());
        let bands = height.div_ceil(rows);
        let total = shape.batch * bands;
        let mut map = Vec::new();
        let first = group * total / groups;
        for index in first..(group + 1) * total / groups {
            let (sample, from) = (index / bands, index % bands * rows);
            let rows = rows.min(height - from);
            let band = Band {
                sample,
                top: (from * shape.stride) as isize - shape.padding as isize,
                left: -(shape.padding as isize),
                rows: (rows - 1) * shape.stride + shape.kernel,
                columns: (width - 1) * shape.stride + shape.kernel,
            };
            band.copy(shape.input(), x, &mut map);
            map.resize(map.len() + LONG * lanes(Arch::new()), 0.0);
            let row = width * shape.out_channels;
            body(&map, band, &dy[(sample * height + from) * row..][..rows * row], index == first);
        }
    }
}

/// `[out_channels, in_channels, kernel, kernel]`.
pub(super) fn weight_gradient(shape: ConvShape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let panels = Panels::new(shape.out_channels);
    let depth = shape.patch();
    if dy.is_empty() {
        return vec![0.0; depth * shape.out_channels];
    }
    let len = depth * shape.out_channels;
    let mut gradient = Vec::with_capacity(len);
    let out = SharedSlice::of_capacity(&mut gradient);
    let size = depth * panels.width();
    let bands = Bands::new(shape, size);
    if bands.groups == 1 {
        // Many weights: each panel's sums stay in the second-level cache of its core.
        (0..panels.len()).into_par_iter().for_each_init(Vec::new, |sums, panel| {
            let panel = panels.get(panel);
            sums.clear();
            sums.reserve(depth * panel.width);
            let shared = SharedSlice::of_capacity(sums);
            add_group(shape, bands, 0, (x, dy), &[panel], |_| (shared, 0));
            // SAFETY: the first band wrote every sum.
            unsafe { sums.set_len(depth * panel.width) };
            unpack(shape, panel, &[&sums[..]], out);
        });
    } else {
        let mut sums = Vec::with_capacity(bands.groups * size);
        let shared = SharedSlice::of_capacity(&mut sums);
        let cuts = TASKS.div_ceil(bands.groups).min(panels.len());
        let all: Vec<Panel> = (0..panels.len()).map(|index| panels.get(index)).collect();
        let tasks: Vec<_> = (0..bands.groups)
            .flat_map(|group| all.chunks(panels.len().div_ceil(cuts)).map(move |panels| (group, panels)))
            .collect();
        tasks.into_par_iter().for_each(|(group, panels)| {
            add_group(shape, bands, group, (x, dy), panels, |panel| (shared, group * size + panel.from * depth));
        });
        // SAFETY: the first band of every group wrote all its sums.
        unsafe { sums.set_len(bands.groups * size) };
        all.into_par_iter().for_each(|panel| {
            let parts: Vec<_> = sums.chunks_exact(size).map(|sums| panel.part(sums, depth)).collect();
            unpack(shape, panel, &parts, out);
        });
    }
    // SAFETY: the panels wrote every weight.
    unsafe { gradient.set_len(len) };
    gradient
}

/// Sums of a group for some panels, `[kernel, kernel, in_channels, width]` at the place that `out` gives.
fn add_group<'a>(
    shape: ConvShape,
    bands: Bands,
    group: usize,
    (x, dy): (&[f32], &[f32]),
    panels: &[Panel],
    out: impl Fn(&Panel) -> (SharedSlice<'a>, usize),
) {
    let mut pixels = Vec::new();
    bands.visit(group, x, dy, |map, band, dy, first| {
        for panel in panels {
            panel.copy(dy, shape.out_channels, &mut pixels);
            add_band(shape, map, band, &pixels, first, panel, out(panel));
        }
    });
}

/// Adds the products of a band of the map and the gradients of its output pixels; `first` starts the sums.
fn add_band(
    shape: ConvShape,
    map: &[f32],
    band: Band,
    pixels: &[f32],
    first: bool,
    panel: &Panel,
    (out, out_at): (SharedSlice<'_>, usize),
) {
    let pitch = band.columns * shape.in_channels;
    let run = shape.kernel * shape.in_channels;
    let width = shape.out_width();
    for row in 0..shape.kernel {
        let sweep = Sweep {
            rows: run,
            segments: (band.rows - shape.kernel) / shape.stride + 1,
            steps: width,
            scalars: Strided {
                values: &map[row * pitch..],
                row: 1,
                segment: shape.stride * pitch,
                step: shape.stride * shape.in_channels,
            },
            vectors: Strided { values: pixels, row: 0, segment: width * panel.width, step: panel.width },
            start: if first { Start::Zero } else { Start::Out },
            out,
            out_at: out_at + row * run * panel.width,
            out_row: panel.width,
            columns: panel.width,
        };
        // SAFETY: tasks differ in their groups or in their panels.
        unsafe { sweep.run(panel.vectors) };
    }
}

/// Channels whose weights are brought into order together, so that both sides stay in the first-level cache.
const SOURCES: usize = 16;

/// Adds the sums of the groups, `[kernel, kernel, in_channels, width]` each, and brings them into the order of the weights.
fn unpack(shape: ConvShape, panel: Panel, groups: &[&[f32]], out: SharedSlice<'_>) {
    let (depth, square) = (shape.patch(), shape.kernel * shape.kernel);
    let mut weights = vec![0.0; SOURCES * square];
    for first in (0..shape.in_channels).step_by(SOURCES) {
        let count = SOURCES.min(shape.in_channels - first);
        for lane in 0..panel.channels {
            let weights = &mut weights[..count * square];
            weights.fill(0.0);
            for sums in groups {
                for tap in 0..square {
                    let sums = sums[(tap * shape.in_channels + first) * panel.width + lane..].iter();
                    for (weight, sum) in weights[tap..].iter_mut().step_by(square).zip(sums.step_by(panel.width)) {
                        *weight += sum;
                    }
                }
            }
            // SAFETY: one task a panel, and panels have no channel in common.
            unsafe { out.write((panel.from + lane) * depth + first * square, weights) };
        }
    }
}
