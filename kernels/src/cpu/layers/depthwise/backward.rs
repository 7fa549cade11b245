use super::{
    PARAMETERS, TAPS,
    layer::{Layer, Task},
    window::{Window, convolve},
};
use crate::cpu::{
    lanes::sigmoid,
    layers::{
        Rows,
        bands::{Vectors, VectorsMut, vectors},
    },
    shared::SharedSlice,
};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// One task of the backward pass.
pub(super) struct Backward<'a> {
    pub(super) layer: &'a Layer<'a>,
    pub(super) task: Task,
    pub(super) dy: Rows<'a>,
    pub(super) dx: &'a [SharedSlice<'a>],
    pub(super) sums: SharedSlice<'a>,
    /// Scratch: gradients before `SiLU`, `[rows + 2, width + 2, channels]`, zero around the map.
    pub(super) slopes: &'a mut Vec<f32>,
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.before_silu(simd);
        self.input_gradient(simd);
        self.parameter_gradients(simd);
    }
}

impl Backward<'_> {
    /// Where the scratch holds a pixel; the first row and column are those before the task's.
    #[inline(always)]
    fn slope(&self, row: usize, column: usize) -> usize {
        (row * (self.layer.shape.width + 2) + column) * self.task.channels.len()
    }

    #[inline(always)]
    fn before_silu<S: Simd>(&mut self, simd: S) {
        let (layer, rows) = (self.layer, self.task.rows.clone());
        let count = self.task.channels.len();
        let end = self.slope(rows.len() + 2, 0);
        self.slopes.clear();
        self.slopes.resize(end, 0.0);
        let parameters = layer.parameters(simd, self.task.channels.clone(), false);
        let one = simd.splat_f32s(1.0);
        for y in rows.start.saturating_sub(1)..(rows.end + 1).min(layer.shape.height) {
            for x in 0..layer.shape.width {
                let window = Window::new(simd, layer.window(&self.task, y, x));
                let dy = &self.dy.row(layer.pixel(self.task.sample, y, x))[self.task.channels.clone()];
                let dy = Vectors::new(simd, dy);
                let at = self.slope(y + 1 - rows.start, x + 1);
                let mut out = VectorsMut::new(simd, &mut self.slopes[at..][..count]);
                for index in 0..vectors::<S>(count) {
                    let weight = &parameters[index * PARAMETERS..][..PARAMETERS];
                    let z = convolve(simd, &window.at(index), weight, weight[TAPS]);
                    let s = sigmoid(simd, z);
                    // s + z s (1 - s)
                    let slope = simd.mul_f32s(s, simd.mul_add_e_f32s(z, simd.sub_f32s(one, s), one));
                    out.set(index, simd.mul_f32s(slope, dy.at(index)));
                }
            }
        }
    }

    /// Convolution of the gradients before `SiLU` with the turned kernel.
    #[inline(always)]
    fn input_gradient<S: Simd>(&self, simd: S) {
        let Self { layer, task, dx, slopes, .. } = self;
        let count = task.channels.len();
        let parameters = layer.parameters(simd, task.channels.clone(), true);
        let zero = simd.splat_f32s(0.0);
        for row in 0..task.rows.len() {
            for x in 0..layer.shape.width {
                let mut pixels = [&slopes[..count]; TAPS];
                for tap in 0..TAPS {
                    pixels[tap] = &slopes[self.slope(row + tap / 3, x + tap % 3)..][..count];
                }
                let window = Window::new(simd, pixels);
                let pixel = dx[layer.pixel(task.sample, task.rows.start + row, x)];
                // SAFETY: tasks differ in their rows or in their channels.
                let mut out = VectorsMut::new(simd, unsafe { pixel.range(task.channels.start, count) });
                for index in 0..vectors::<S>(count) {
                    let weight = &parameters[index * PARAMETERS..][..PARAMETERS];
                    out.set(index, convolve(simd, &window.at(index), weight, zero));
                }
            }
        }
    }

    /// Vector by vector of the channels, so that the sums stay in registers.
    #[inline(always)]
    fn parameter_gradients<S: Simd>(&self, simd: S) {
        let Self { layer, task, sums, slopes, .. } = self;
        let zero = simd.splat_f32s(0.0);
        for first in (0..task.channels.len()).step_by(S::F32_LANES) {
            let count = S::F32_LANES.min(task.channels.len() - first);
            let from = task.channels.start + first;
            let mut total = [zero; PARAMETERS];
            for y in task.rows.clone() {
                // Sums of a row, then of the rows: shorter chains round less.
                let mut row_sums = [zero; PARAMETERS];
                let mut columns = [[zero; 3], [zero; 3], layer.column(simd, task.sample, y, 0, from..from + count)];
                for x in 0..layer.shape.width {
                    let next = layer.column(simd, task.sample, y, x + 1, from..from + count);
                    columns = [columns[1], columns[2], next];
                    let at = self.slope(y + 1 - task.rows.start, x + 1) + first;
                    let slope = load(simd, &slopes[at..][..count]);
                    for tap in 0..TAPS {
                        row_sums[tap] = simd.mul_add_e_f32s(slope, columns[tap % 3][tap / 3], row_sums[tap]);
                    }
                    row_sums[TAPS] = simd.add_f32s(row_sums[TAPS], slope);
                }
                for tap in 0..=TAPS {
                    total[tap] = simd.add_f32s(total[tap], row_sums[tap]);
                }
            }
            for tap in 0..=TAPS {
                let at = (task.band * PARAMETERS + tap) * layer.shape.channels + from;
                // SAFETY: tasks differ in their band or in their channels.
                simd.partial_store_f32s(unsafe { sums.range(at, count) }, total[tap]);
            }
        }
    }
}

impl Layer<'_> {
    /// Some channels of column `x` of the rows around `y`; zeros outside the map.
    #[inline(always)]
    fn column<S: Simd>(&self, simd: S, sample: usize, y: usize, x: usize, channels: Range<usize>) -> [S::f32s; 3] {
        let mut column = [simd.splat_f32s(0.0); 3];
        for row in 0..3 {
            // One more, so that the row before the first is 0.
            let y = y + row;
            if y > 0 && y <= self.shape.height && x < self.shape.width {
                column[row] = load(simd, &self.x.row(self.pixel(sample, y - 1, x))[channels.clone()]);
            }
        }
        column
    }
}

/// A whole vector where there is one: loads under a mask are slower.
#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0 {
        [values] => *values,
        _ => simd.partial_load_f32s(values),
    }
}
