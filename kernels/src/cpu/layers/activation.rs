use super::{
    Rows,
    bands::{Fresh, Vectors, VectorsMut, by_bands, total, vectors},
    normal,
};
use crate::cpu::shared::SharedSlice;
use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// Values of one pass within the L1 cache.
const BLOCK: usize = 2048;

/// Exact GELU, `x/2 (1 + erf(x/√2))` (Hendrycks and Gimpel 2016). Minus infinity gives zero, NaN stays.
pub fn gelu(x: &[f32]) -> Vec<f32> {
    let mut y = Vec::new();
    let fresh = Fresh::new(&mut y, x.len());
    by_blocks(x.len(), |from, len| {
        // SAFETY: blocks do not overlap.
        let y = unsafe { fresh.part(from, len) };
        y.copy_from_slice(&x[from..][..len]);
        Arch::new().dispatch(Gelu(y));
    });
    // SAFETY: the blocks took every value.
    unsafe { y.set_len(x.len()) };
    y
}

/// [`gelu`] in place.
pub fn gelu_in_place(x: &mut [f32]) {
    let len = x.len();
    let shared = SharedSlice::new(x);
    by_blocks(len, |from, len| {
        // SAFETY: blocks do not overlap.
        Arch::new().dispatch(Gelu(unsafe { shared.range(from, len) }));
    });
}

/// Turns `dy` into the gradient of `x`, `dy · gelu'(x)`, and writes `gelu(x)` into `y` where it is wanted.
///
/// # Panics
///
/// When the lengths differ.
pub fn gelu_backward(x: &[f32], dy: &mut [f32], y: Option<&mut [f32]>) {
    assert!(dy.len() == x.len(), "{} gradients for {} values", dy.len(), x.len());
    if let Some(y) = &y {
        assert!(y.len() == x.len(), "{} results for {} values", y.len(), x.len());
    }
    let (dy, y) = (SharedSlice::new(dy), y.map(SharedSlice::new));
    by_blocks(x.len(), |from, len| {
        let x = &x[from..][..len];
        // SAFETY: blocks do not overlap.
        let (dy, y) = unsafe { (dy.range(from, len), y.as_ref().map(|y| y.range(from, len))) };
        Arch::new().dispatch(GeluBackward { x, dy, y });
    });
}

/// Adds `bias` to every row of `[rows, columns]`, in place.
///
/// # Panics
///
/// When `values` is no whole number of rows.
pub fn add_bias(values: &mut [f32], bias: &[f32]) {
    let columns = bias.len();
    assert!(columns > 0 && values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
    let rows = values.len() / columns;
    let shared = SharedSlice::new(values);
    by_bands(rows, columns, |rows| {
        // SAFETY: bands do not overlap.
        let values = unsafe { shared.range(rows.start * columns, rows.len() * columns) };
        Arch::new().dispatch(AddBias { values, bias });
    });
}

/// Sum of every column of `[rows, columns]`.
pub fn sum_rows(values: Rows<'_>) -> Vec<f32> {
    let sums = by_bands(values.len(), values.columns(), |rows| Arch::new().dispatch(SumRows { values, rows }));
    total(sums.iter().map(|sums| &sums[..]), values.columns())
}

/// Calls `body` with the start and length of blocks of values, on all cores.
fn by_blocks(len: usize, body: impl Fn(usize, usize) + Sync) {
    by_bands(len.div_ceil(BLOCK), BLOCK, |blocks| {
        for block in blocks {
            body(block * BLOCK, BLOCK.min(len - block * BLOCK));
        }
    });
}

struct Gelu<'a>(&'a mut [f32]);

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = vectors::<S>(self.0.len());
        let mut values = VectorsMut::new(simd, self.0);
        for i in 0..n {
            values.set(i, normal::gelu(simd, values.at(i)));
        }
    }
}

struct GeluBackward<'a> {
    x: &'a [f32],
    dy: &'a mut [f32],
    y: Option<&'a mut [f32]>,
}

impl WithSimd for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = vectors::<S>(self.x.len());
        let x = Vectors::new(simd, self.x);
        let mut dy = VectorsMut::new(simd, self.dy);
        if let Some(y) = self.y {
            let mut y = VectorsMut::new(simd, y);
            for i in 0..n {
                let (value, slope) = normal::gelu_and_slope(simd, x.at(i));
                y.set(i, value);
                dy.set(i, simd.mul_f32s(dy.at(i), slope));
            }
        } else {
            for i in 0..n {
                let (_, slope) = normal::gelu_and_slope(simd, x.at(i));
                dy.set(i, simd.mul_f32s(dy.at(i), slope));
            }
        }
    }
}

struct AddBias<'a> {
    values: &'a mut [f32],
    bias: &'a [f32],
}

impl WithSimd for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.bias.len();
        let bias = Vectors::new(simd, self.bias);
        for row in self.values.chunks_exact_mut(columns) {
            let mut row = VectorsMut::new(simd, row);
            for i in 0..vectors::<S>(columns) {
                row.set(i, simd.add_f32s(row.at(i), bias.at(i)));
            }
        }
    }
}

struct SumRows<'a> {
    values: Rows<'a>,
    rows: Range<usize>,
}

impl WithSimd for SumRows<'_> {
    /// Padded.
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let n = vectors::<S>(self.values.columns());
        let mut values = vec![0.0; n * S::F32_LANES];
        let sums: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut values);
        for row in self.rows {
            let row = Vectors::new(simd, self.values.row(row));
            for i in 0..n {
                sums[i] = simd.add_f32s(sums[i], row.at(i));
            }
        }
        values
    }
}
