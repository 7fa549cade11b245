//! Bands of rows for the cores, memory for outputs, and rows in SIMD lanes.

use crate::cpu::{memory::ask_for_large_pages, shared::SharedSlice};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Values that are worth a task of their own.
const TASK: usize = 1 << 14;
/// At most so many bands.
const BANDS: usize = 32;

/// Calls `body` with bands of `rows` rows that hold `columns` values each, on all cores; the results come in order.
///
/// The bands follow from the shape alone. A single one stays on the calling thread.
pub(super) fn by_bands<T: Send>(rows: usize, columns: usize, body: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let bands = (rows * columns / TASK).clamp(1, BANDS);
    if bands == 1 {
        return vec![body(0..rows)];
    }
    let band = rows.div_ceil(bands);
    let run = |index: usize| body(index * band..rows.min((index + 1) * band));
    (0..rows.div_ceil(band)).into_par_iter().map(run).collect()
}

/// Sum of the bands' partial sums, in their order.
pub(super) fn total<'a>(bands: impl Iterator<Item = &'a [f32]>, columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; columns];
    for band in bands {
        for (sum, &value) in sums.iter_mut().zip(band) {
            *sum += f64::from(value);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// Memory of an output that several tasks write.
///
/// Zeroing all of it first would cost a pass through memory, so each part is zeroed when it is taken, in the cache.
pub(crate) struct Fresh<'a>(SharedSlice<'a>);

impl<'a> Fresh<'a> {
    /// Makes room for `len` values in an empty vector; [`Vec::set_len`] is left to the caller.
    pub(crate) fn new(values: &'a mut Vec<f32>, len: usize) -> Self {
        values.reserve_exact(len);
        ask_for_large_pages(values.as_mut_ptr(), len);
        Self(SharedSlice::of_capacity(values))
    }

    /// The values `from..from + len`, all zero.
    ///
    /// # Safety
    ///
    /// No other task may use an overlapping part while this one lives.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller keeps parts disjoint")]
    pub(crate) unsafe fn part(&self, from: usize, len: usize) -> &mut [f32] {
        // SAFETY: disjoint by the caller's promise.
        unsafe { self.0.zeroed(from, len) }
    }
}

/// Number of vectors that hold a row.
#[inline(always)]
pub(super) fn vectors<S: Simd>(columns: usize) -> usize {
    columns.div_ceil(S::F32_LANES)
}

/// A row in vectors; zeros fill up the last one.
#[derive(Clone, Copy)]
pub(super) struct Vectors<'a, S: Simd> {
    simd: S,
    whole: &'a [S::f32s],
    rest: &'a [f32],
}

impl<'a, S: Simd> Vectors<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, row: &'a [f32]) -> Self {
        let (whole, rest) = S::as_simd_f32s(row);
        Self { simd, whole, rest }
    }

    /// Vector `index`.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> S::f32s {
        if index < self.whole.len() { self.whole[index] } else { self.simd.partial_load_f32s(self.rest) }
    }

    /// Vectors without padding.
    #[inline(always)]
    pub(super) fn whole(&self) -> &'a [S::f32s] {
        self.whole
    }

    /// The values behind them, fewer than a vector.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [f32] {
        self.rest
    }
}

/// A row to write in vectors.
pub(super) struct VectorsMut<'a, S: Simd> {
    simd: S,
    whole: &'a mut [S::f32s],
    rest: &'a mut [f32],
}

impl<'a, S: Simd> VectorsMut<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, row: &'a mut [f32]) -> Self {
        let (whole, rest) = S::as_mut_simd_f32s(row);
        Self { simd, whole, rest }
    }

    /// Vector `index`.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> S::f32s {
        if index < self.whole.len() { self.whole[index] } else { self.simd.partial_load_f32s(self.rest) }
    }

    /// Stores vector `index`; padding is dropped.
    #[inline(always)]
    pub(super) fn set(&mut self, index: usize, values: S::f32s) {
        if index < self.whole.len() {
            self.whole[index] = values;
        } else {
            self.simd.partial_store_f32s(self.rest, values);
        }
    }
}
