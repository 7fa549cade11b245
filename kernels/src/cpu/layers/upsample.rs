use super::{MapShape, bands::Fresh};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Source of one output along one side: between `at` and `next`, the latter with weight `share`.
#[derive(Clone, Copy)]
struct Source {
    at: usize,
    next: usize,
    share: f32,
}

/// Sources of the `2 * size` outputs of one side: output `o` lies at `o (size - 1) / (2 size - 1)`.
fn sources(size: usize) -> Vec<Source> {
    let (span, steps) = (size - 1, 2 * size - 1);
    (0..2 * size)
        .map(|output| {
            let (at, rest) = (output * span / steps, output * span % steps);
            Source { at, next: (at + 1).min(span), share: rest as f32 / steps as f32 }
        })
        .collect()
}

/// Outputs that an input feeds and their weights, for every input of one side.
fn targets(size: usize) -> Vec<Vec<(usize, f32)>> {
    let mut targets = vec![Vec::new(); size];
    for (output, source) in sources(size).into_iter().enumerate() {
        targets[source.at].push((output, 1.0 - source.share));
        if source.share > 0.0 {
            targets[source.next].push((output, source.share));
        }
    }
    targets
}

/// Bilinear upsampling by 2 with aligned corners: `[batch, height, width, channels]` to
/// `[batch, 2 height, 2 width, channels]`.
///
/// # Panics
///
/// When `x` does not fit `shape`.
pub fn upsample_bilinear2x(shape: MapShape, x: &[f32]) -> Vec<f32> {
    let MapShape { height, width, channels, .. } = shape;
    shape.check("x", x.len());
    let mut y = Vec::new();
    if x.is_empty() {
        return y;
    }
    let fresh = Fresh::new(&mut y, 4 * shape.len());
    let (rows, columns) = (sources(height), sources(width));
    let row = width * channels;
    let arch = Arch::new();
    // Two output rows a task, so that small maps are not cut too fine.
    (0..shape.batch * height).into_par_iter().for_each_init(Vec::new, |blend: &mut Vec<f32>, pair| {
        // SAFETY: tasks take different rows.
        let y = unsafe { fresh.part(pair * 4 * row, 4 * row) };
        let map = &x[pair / height * height * row..][..height * row];
        for (half, y) in y.chunks_exact_mut(2 * row).enumerate() {
            let Source { at, next, share } = rows[2 * (pair % height) + half];
            blend.clear();
            blend.resize(row, 0.0);
            arch.dispatch(Mix { a: &map[at * row..][..row], b: &map[next * row..][..row], share, out: blend });
            arch.dispatch(Stretch { columns: &columns, channels, row: blend, out: y });
        }
    });
    // SAFETY: the tasks took every row.
    unsafe { y.set_len(4 * shape.len()) };
    y
}

/// Gradient of [`upsample_bilinear2x`]: `dy [batch, 2 height, 2 width, channels]` to `[batch, height, width, channels]`.
///
/// # Panics
///
/// When `dy` does not fit `shape`.
pub fn upsample_bilinear2x_backward(shape: MapShape, dy: &[f32]) -> Vec<f32> {
    let MapShape { height, width, channels, .. } = shape;
    let (from, to) = (dy.len(), 4 * shape.len());
    assert!(from == to, "{from} values of dy for {shape:?} upsampled, which has {to}");
    let mut dx = Vec::new();
    if dy.is_empty() {
        return dx;
    }
    let fresh = Fresh::new(&mut dx, shape.len());
    let (rows, columns) = (targets(height), targets(width));
    let row = width * channels;
    let arch = Arch::new();
    (0..shape.batch * height).into_par_iter().for_each_init(Vec::new, |sum: &mut Vec<f32>, index| {
        // SAFETY: tasks take different rows.
        let dx = unsafe { fresh.part(index * row, row) };
        let map = &dy[index / height * 4 * height * row..][..4 * height * row];
        sum.clear();
        sum.resize(2 * row, 0.0);
        for &(at, weight) in &rows[index % height] {
            arch.dispatch(Add { a: &map[at * 2 * row..][..2 * row], weight, out: sum });
        }
        arch.dispatch(Collect { columns: &columns, channels, row: sum, out: dx });
    });
    // SAFETY: the tasks took every row.
    unsafe { dx.set_len(shape.len()) };
    dx
}

/// `out = a + share (b - a)`.
struct Mix<'a> {
    a: &'a [f32],
    b: &'a [f32],
    share: f32,
    out: &'a mut [f32],
}

impl WithSimd for Mix<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let share = simd.splat_f32s(self.share);
        let (a, a_rest) = S::as_simd_f32s(self.a);
        let (b, b_rest) = S::as_simd_f32s(self.b);
        let (out, out_rest) = S::as_mut_simd_f32s(self.out);
        for i in 0..out.len() {
            out[i] = mix(simd, a[i], b[i], share);
        }
        let mixed = mix(simd, simd.partial_load_f32s(a_rest), simd.partial_load_f32s(b_rest), share);
        simd.partial_store_f32s(out_rest, mixed);
    }
}

/// `out += weight a`.
struct Add<'a> {
    a: &'a [f32],
    weight: f32,
    out: &'a mut [f32],
}

impl WithSimd for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        accumulate(simd, self.a, self.weight, self.out);
    }
}

/// One output row out of one already blended input row.
struct Stretch<'a> {
    columns: &'a [Source],
    channels: usize,
    row: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Stretch<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.channels;
        for column in 0..self.columns.len() {
            let Source { at, next, share } = self.columns[column];
            Mix {
                a: &self.row[at * channels..][..channels],
                b: &self.row[next * channels..][..channels],
                share,
                out: &mut self.out[column * channels..][..channels],
            }
            .with_simd(simd);
        }
    }
}

/// One row of input gradients out of its already blended output gradients.
struct Collect<'a> {
    columns: &'a [Vec<(usize, f32)>],
    channels: usize,
    row: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Collect<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.channels;
        for column in 0..self.columns.len() {
            let out = &mut self.out[column * channels..][..channels];
            for &(at, weight) in &self.columns[column] {
                accumulate(simd, &self.row[at * channels..][..channels], weight, out);
            }
        }
    }
}

#[inline(always)]
fn mix<S: Simd>(simd: S, a: S::f32s, b: S::f32s, share: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(share, simd.sub_f32s(b, a), a)
}

#[inline(always)]
fn accumulate<S: Simd>(simd: S, a: &[f32], weight: f32, out: &mut [f32]) {
    let weight = simd.splat_f32s(weight);
    let (a, a_rest) = S::as_simd_f32s(a);
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    for i in 0..out.len() {
        out[i] = simd.mul_add_e_f32s(weight, a[i], out[i]);
    }
    let sum = simd.mul_add_e_f32s(weight, simd.partial_load_f32s(a_rest), simd.partial_load_f32s(out_rest));
    simd.partial_store_f32s(out_rest, sum);
}
