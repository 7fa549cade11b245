use super::Rows;
use crate::cpu::shared::SharedSlice;
use gemm::Parallelism;
use rayon::prelude::*;

/// A matrix to read, of any layout.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows, columns]` in memory order.
    ///
    /// # Panics
    ///
    /// When `values` holds another number of elements.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(values.len() == rows * columns, "{} values for a {rows}x{columns} matrix", values.len());
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same values with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Pointer to an element, for the product.
    fn at(&self, row: usize, column: usize) -> *const f32 {
        self.values[row * self.row_stride + column * self.column_stride..].as_ptr()
    }
}

impl<'a> From<Rows<'a>> for Matrix<'a> {
    fn from(rows: Rows<'a>) -> Self {
        Self {
            values: rows.values(),
            rows: rows.len(),
            columns: rows.columns(),
            row_stride: rows.stride(),
            column_stride: 1,
        }
    }
}

/// Multiply-adds that are worth a task of their own.
const TASK: usize = 1 << 20;
/// At most so many tasks: every one packs the shared operand again.
const TASKS: usize = 16;
/// Sides of a task are multiples of this, which all kernels of `gemm` divide.
const GRAIN: usize = 48;

/// `out = a b`, or `out += a b` where `add`; `out` is `[a.rows, b.columns]` in memory order.
///
/// The longer side of `out` is cut among the cores, by shape alone.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn product<'a, 'b>(a: impl Into<Matrix<'a>>, b: impl Into<Matrix<'b>>, add: bool, out: &mut [f32]) {
    let (a, b): (Matrix<'_>, Matrix<'_>) = (a.into(), b.into());
    assert!(a.columns == b.rows, "product of {}x{} and {}x{}", a.rows, a.columns, b.rows, b.columns);
    assert!(out.len() == a.rows * b.columns, "{} values for {}x{}", out.len(), a.rows, b.columns);
    if out.is_empty() {
        return;
    }
    let by_rows = a.rows >= b.columns;
    let (long, short) = if by_rows { (a.rows, b.columns) } else { (b.columns, a.rows) };
    let tasks = (long * short * a.columns.max(1) / TASK).clamp(1, TASKS);
    let side = long.div_ceil(tasks).next_multiple_of(GRAIN);
    let shared = SharedSlice::new(out);
    (0..long.div_ceil(side)).into_par_iter().for_each(|task| {
        let (from, len) = (task * side, side.min(long - task * side));
        if by_rows {
            part(&a, &b, add, shared, (from, len), (0, b.columns));
        } else {
            part(&a, &b, add, shared, (0, a.rows), (from, len));
        }
    });
}

/// The block of `out` at these rows and columns, each `(from, len)`.
fn part(
    a: &Matrix<'_>,
    b: &Matrix<'_>,
    add: bool,
    out: SharedSlice<'_>,
    rows: (usize, usize),
    columns: (usize, usize),
) {
    if a.columns == 0 {
        return;
    }
    // SAFETY: both operands were checked against their strides when they were made, blocks of `out` are disjoint and
    // inside it, and `gemm` reads `out` only where `add` is set.
    unsafe {
        gemm::gemm(
            rows.1,
            columns.1,
            a.columns,
            out.pointer(rows.0 * b.columns + columns.0),
            1,
            b.columns as isize,
            add,
            a.at(rows.0, 0),
            a.column_stride as isize,
            a.row_stride as isize,
            b.at(0, columns.0),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
