use super::kernel::{LONG, VECTORS};
use crate::cpu::lanes::lanes;
use crate::cpu::layers::bands::Fresh;
use pulp::Arch;
use rayon::prelude::*;

/// Cut of a row of channels into panels of a few vectors of lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    channels: usize,
    lanes: usize,
    /// Vectors of a panel at most.
    vectors: usize,
}

/// Neighbouring channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    pub(super) from: usize,
    pub(super) channels: usize,
    pub(super) vectors: usize,
    /// Lanes, those without a channel included.
    pub(super) width: usize,
}

impl Panels {
    pub(super) fn new(channels: usize) -> Self {
        Self { channels, lanes: lanes(Arch::new()), vectors: VECTORS }
    }

    /// For tiles of so many rows.
    pub(super) fn for_rows(channels: usize, rows: usize) -> Self {
        let vectors = if rows <= 2 { LONG } else { VECTORS };
        Self { channels, lanes: lanes(Arch::new()), vectors }
    }

    /// Lanes of a vector.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// Lanes that hold no channel.
    pub(super) fn idle(&self) -> usize {
        self.width() - self.channels
    }

    /// Number of panels.
    pub(super) fn len(&self) -> usize {
        self.channels.div_ceil(self.vectors * self.lanes)
    }

    pub(super) fn get(&self, index: usize) -> Panel {
        let from = index * self.vectors * self.lanes;
        let channels = (self.vectors * self.lanes).min(self.channels - from);
        let vectors = channels.div_ceil(self.lanes);
        Panel { from, channels, vectors, width: vectors * self.lanes }
    }

    /// Lanes of all panels.
    pub(super) fn width(&self) -> usize {
        self.channels.next_multiple_of(self.lanes)
    }
}

impl Panel {
    /// This panel's part of `values`, which hold `rows` rows of every panel, one panel after the other.
    pub(super) fn part<'a>(&self, values: &'a [f32], rows: usize) -> &'a [f32] {
        &values[self.from * rows..][..self.width * rows]
    }

    /// Copies this panel's columns of `[rows, channels]` to `[rows, width]`, zeros where there is no channel.
    pub(super) fn copy(&self, values: &[f32], channels: usize, out: &mut Vec<f32>) {
        out.clear();
        for row in values.chunks_exact(channels) {
            out.extend_from_slice(&row[self.from..][..self.channels]);
            out.resize(out.len().next_multiple_of(self.width), 0.0);
        }
    }
}

/// Rows or columns of a kernel, as many as `count`: `first`, `first + step`, ..., from the last to the first where `flip`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) count: usize,
    pub(super) flip: bool,
}

impl Taps {
    fn at(&self, index: usize) -> usize {
        self.first + self.step * if self.flip { self.count - 1 - index } else { index }
    }
}

/// Weights to read: one for every lane, source channel and tap.
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    pub(super) kernel: usize,
    pub(super) sources: usize,
    /// Distance in `values` of two neighbouring lanes and of two source channels.
    pub(super) lane_stride: usize,
    pub(super) source_stride: usize,
}

/// Sources whose weights are packed together: those of one lane are then some neighbouring cache lines.
const SOURCES: usize = 16;

impl Weights<'_> {
    /// `[panel][row taps, column taps, sources, width]`.
    pub(super) fn pack(&self, panels: Panels, rows: Taps, columns: Taps) -> Vec<f32> {
        let taps: Vec<usize> = (0..rows.count)
            .flat_map(|row| (0..columns.count).map(move |column| rows.at(row) * self.kernel + columns.at(column)))
            .collect();
        let depth = taps.len() * self.sources;
        let mut packed = Vec::with_capacity(panels.width() * depth);
        let fresh = Fresh::new(&mut packed, panels.width() * depth);
        (0..panels.len()).into_par_iter().for_each(|index| {
            let panel = panels.get(index);
            for first in (0..self.sources).step_by(SOURCES) {
                let count = SOURCES.min(self.sources - first);
                for (tap, place) in taps.iter().enumerate() {
                    let at = panel.from * depth + (tap * self.sources + first) * panel.width;
                    // SAFETY: panels, taps and sources are disjoint.
                    let out = unsafe { fresh.part(at, count * panel.width) };
                    for (source, out) in out.chunks_exact_mut(panel.width).enumerate() {
                        let from = panel.from * self.lane_stride + (first + source) * self.source_stride + place;
                        let weights = self.values[from..].iter().step_by(self.lane_stride);
                        for (out, weight) in out[..panel.channels].iter_mut().zip(weights) {
                            *out = *weight;
                        }
                    }
                }
            }
        });
        // SAFETY: the panels took every value.
        unsafe { packed.set_len(panels.width() * depth) };
        packed
    }
}
