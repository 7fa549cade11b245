use super::Rows;
use crate::cpu::{memory::room, shared::SharedSlice};
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

    /// The values of a transposed matrix, rows in memory order.
    ///
    /// `gemm` packs a transposed right operand value by value, and where its rows lie a multiple of 4 KiB apart each of them
    /// misses the cache: the product of a deep stage takes three times as long as with this copy.
    fn straightened(&self) -> Vec<f32> {
        const BAND: usize = 64;
        const SIDE: usize = 16;
        let mut out = room(self.rows * self.columns);
        let shared = SharedSlice::of_capacity(&mut out);
        (0..self.rows.div_ceil(BAND)).into_par_iter().for_each(|band| {
            let row = band * BAND;
            let rows = BAND.min(self.rows - row);
            for column in (0..self.columns).step_by(SIDE) {
                let columns = SIDE.min(self.columns - column);
                // by way of a small tile, so that both sides meet whole cache lines
                let mut tile = [[0.0; SIDE]; BAND];
                for c in 0..columns {
                    let from = &self.values[row + (column + c) * self.column_stride..][..rows];
                    for (tile, value) in tile.iter_mut().zip(from) {
                        tile[c] = *value;
                    }
                }
                for (r, tile) in tile[..rows].iter().enumerate() {
                    let at = (row + r) * self.columns + column;
                    // SAFETY: bands are disjoint, and a task writes its tiles one after the other.
                    unsafe {
                        // the length of a whole tile is known when this is compiled
                        if columns == SIDE {
                            shared.write(at, tile);
                        } else {
                            shared.write(at, &tile[..columns]);
                        }
                    }
                }
            }
        });
        // SAFETY: the tiles cover the matrix.
        unsafe { out.set_len(self.rows * self.columns) };
        out
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

/// Multiply-adds of a task where there are at least four such: every task packs the shared operand again.
const TASK: usize = 1 << 24;
/// Multiply-adds that are worth a task at all.
const SMALL_TASK: usize = 1 << 21;
/// At most so many tasks.
const TASKS: usize = 64;
/// Rows and columns of a task are multiples of these where it has many: the sides of `gemm`'s largest kernels (AVX-512: columns
/// by 64 and rows by 6, AVX2: 24 by 4).
const ROWS: usize = 12;
const COLUMNS: usize = 64;

/// Up to so many rows a product with a transposed right operand is computed the other way round.
const FEW_ROWS: usize = 128;

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// A matrix of the result's shape, and a row times the factor of the row's sample.
    Residual {
        /// `[rows, columns]`.
        matrix: &'a [f32],
        /// `[columns]`.
        bias: Option<&'a [f32]>,
        /// Factors of the row, `[samples]`, where they are not one; samples have equally many rows.
        scale: Option<&'a [f32]>,
    },
}

/// `start + a b`, `[a.rows, b.columns]` in memory order.
///
/// The longer side of the result is cut among the cores, by shape alone.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn product<'a, 'b>(a: impl Into<Matrix<'a>>, b: impl Into<Matrix<'b>>, start: Start<'_>) -> Vec<f32> {
    product_then(a, b, start, |_, _| ())
}

/// [`product`], and `then(at, values)` with every piece of a row of the result while it is still in the cache.
///
/// `at` is where the piece starts in the result; pieces do not overlap and come in any order, from several threads.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn product_then<'a, 'b>(
    a: impl Into<Matrix<'a>>,
    b: impl Into<Matrix<'b>>,
    start: Start<'_>,
    then: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let (a, b): (Matrix<'_>, Matrix<'_>) = (a.into(), b.into());
    if b.column_stride != 1 {
        if a.rows <= FEW_ROWS && matches!(start, Start::Zero) {
            return turned(&a, &b, then);
        }
        let straight = b.straightened();
        return product_then(a, Matrix::new(&straight, b.rows, b.columns), start, then);
    }
    let len = a.rows * b.columns;
    start.check(a.rows, b.columns);
    let mut out = room(len);
    let shared = SharedSlice::of_capacity(&mut out);
    blocks(&a, &b, |block| {
        let add = block.begin(start, shared, a.rows, b.columns);
        block.multiply(&a, &b, add, shared);
        for row in block.row..block.row + block.rows {
            let at = row * b.columns + block.column;
            // SAFETY: written above, and blocks are disjoint.
            then(at, unsafe { shared.range(at, block.columns) });
        }
    });
    // SAFETY: the blocks cover the result, and `begin` or `multiply` has written each of them.
    unsafe { out.set_len(len) };
    out
}

/// `a b` for few rows and a transposed `b`, as the transpose of `bᵀ aᵀ`: what is brought into order is the small operand and the
/// small result.
fn turned(a: &Matrix<'_>, b: &Matrix<'_>, then: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    let mut small = a.transposed();
    let straight;
    if small.column_stride != 1 {
        straight = small.straightened();
        small = Matrix::new(&straight, a.columns, rows);
    }
    let turned = product(b.transposed(), small, Start::Zero);
    let mut out = Matrix::new(&turned, columns, rows).transposed().straightened();
    out.par_chunks_mut(columns).enumerate().for_each(|(row, values)| then(row * columns, values));
    out
}

/// `out += a b`; `out` is `[a.rows, b.columns]` in memory order.
///
/// # Panics
///
/// When the shapes do not fit.
pub fn add_product<'a, 'b>(a: impl Into<Matrix<'a>>, b: impl Into<Matrix<'b>>, out: &mut [f32]) {
    let (a, b): (Matrix<'_>, Matrix<'_>) = (a.into(), b.into());
    assert!(out.len() == a.rows * b.columns, "{} values for {}x{}", out.len(), a.rows, b.columns);
    let shared = SharedSlice::new(out);
    blocks(&a, &b, |block| block.multiply(&a, &b, true, shared));
}

impl Start<'_> {
    fn check(&self, rows: usize, columns: usize) {
        let (matrix, bias, scale) = match *self {
            Self::Zero => (None, None, None),
            Self::Residual { matrix, bias, scale } => (Some(matrix), bias, scale),
        };
        assert!(matrix.is_none_or(|m| m.len() == rows * columns), "the residual of a product is no {rows}x{columns}");
        assert!(bias.is_none_or(|b| b.len() == columns), "the bias of a product has not {columns} values");
        assert!(
            scale.is_none_or(|s| !s.is_empty() && rows.is_multiple_of(s.len())),
            "{rows} rows are no whole samples"
        );
    }
}

/// Runs `work` on every block of the result.
fn blocks(a: &Matrix<'_>, b: &Matrix<'_>, work: impl Fn(Block) + Sync) {
    assert!(a.columns == b.rows, "product of {}x{} and {}x{}", a.rows, a.columns, b.rows, b.columns);
    let by_rows = a.rows >= b.columns;
    let (long, short) = if by_rows { (a.rows, b.columns) } else { (b.columns, a.rows) };
    let macs = long * short * a.columns;
    // A power of two gives equal shares to the usual numbers of cores.
    let tasks = (macs / TASK).max((macs / SMALL_TASK).min(4)).clamp(1, TASKS);
    let tasks = 1 << tasks.ilog2();
    let unit = if by_rows { ROWS } else { COLUMNS };
    let mut side = long.div_ceil(tasks).next_multiple_of(unit);
    if side > unit && long.div_ceil(side) < tasks {
        // six units in four tasks would be three tasks of two: two cores would wait for one another
        side -= unit;
    }
    let block = |task: usize| {
        let (from, len) = (task * side, side.min(long - task * side));
        if by_rows {
            Block { row: from, rows: len, column: 0, columns: b.columns }
        } else {
            Block { row: 0, rows: a.rows, column: from, columns: len }
        }
    };
    (0..long.div_ceil(side)).into_par_iter().for_each(|task| work(block(task)));
}

/// Some neighbouring rows and columns of a result.
#[derive(Clone, Copy)]
struct Block {
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
}

impl Block {
    /// Writes what the product is added to; false where there is nothing.
    fn begin(self, start: Start<'_>, out: SharedSlice<'_>, rows: usize, width: usize) -> bool {
        for row in self.row..self.row + self.rows {
            let at = row * width + self.column;
            match start {
                Start::Zero => return false,
                Start::Residual { matrix, bias, scale } => {
                    // SAFETY: blocks are disjoint.
                    unsafe { out.write(at, &matrix[at..][..self.columns]) };
                    if let Some(bias) = bias {
                        let factor = scale.map_or(1.0, |scale| scale[row / (rows / scale.len())]);
                        // SAFETY: written above, and blocks are disjoint.
                        let values = unsafe { out.range(at, self.columns) };
                        for (value, &bias) in values.iter_mut().zip(&bias[self.column..]) {
                            *value += factor * bias;
                        }
                    }
                }
            }
        }
        true
    }

    fn multiply(self, a: &Matrix<'_>, b: &Matrix<'_>, add: bool, out: SharedSlice<'_>) {
        // SAFETY: the operands were checked against their strides when they were made, blocks of the result are disjoint
        // and inside it, and `gemm` reads the result only where `add` is set.
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                a.columns,
                out.pointer(self.row * b.columns + self.column),
                1,
                b.columns as isize,
                add,
                a.at(self.row, 0),
                a.column_stride as isize,
                a.row_stride as isize,
                b.at(0, self.column),
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
}
