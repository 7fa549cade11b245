//! The inner loop of all convolutions: a register tile of sums of products.
//!
//! ```text
//! out[row][lane] = start[row][lane] + sum over segments and steps of scalar(row, segment, step) * vector(segment, step)[lane]
//! ```
//!
//! What is a row and what is a lane depends on the task: pixels and output channels for a map, inputs of a patch and output
//! channels for the weight gradient.

use crate::cpu::shared::SharedSlice;
use pulp::{Arch, Simd, WithSimd};

/// Vectors of lanes that make the best tiles of many rows.
pub(super) const VECTORS: usize = 3;
/// Vectors of lanes that keep the arithmetic units busy with one or two rows.
pub(super) const LONG: usize = 8;

/// Where sums start that start with nothing.
static ZEROS: [f32; LONG * 16] = [0.0; LONG * 16];

/// An operand or the output: a slice from its first element on, and how far to go for the next row, segment and step.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) segment: usize,
    pub(super) step: usize,
}

/// Tiles over `rows` rows and `vectors` vectors of lanes.
#[derive(Clone, Copy)]
pub(super) struct Sweep<'a> {
    pub(super) rows: usize,
    pub(super) segments: usize,
    pub(super) steps: usize,
    pub(super) scalars: Strided<'a>,
    /// The same for all rows.
    pub(super) vectors: Strided<'a>,
    pub(super) start: Start<'a>,
    pub(super) out: SharedSlice<'a>,
    pub(super) out_at: usize,
    pub(super) out_row: usize,
    /// Lanes to write.
    pub(super) columns: usize,
}

/// What the sums start with.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// The same lanes in every row.
    Lanes(&'a [f32]),
    /// What `out` holds; all lanes are read and written.
    Out,
}

impl Sweep<'_> {
    /// Runs with so many vectors of lanes.
    ///
    /// # Safety
    ///
    /// No other task may use the outputs while this runs.
    pub(super) unsafe fn run(self, vectors: usize) {
        let arch = Arch::new();
        match vectors {
            1 => arch.dispatch(Width::<1>(self)),
            2 => arch.dispatch(Width::<2>(self)),
            VECTORS => arch.dispatch(Width::<VECTORS>(self)),
            4 => arch.dispatch(Width::<4>(self)),
            5 => arch.dispatch(Width::<5>(self)),
            6 => arch.dispatch(Width::<6>(self)),
            7 => arch.dispatch(Width::<7>(self)),
            LONG => arch.dispatch(Width::<LONG>(self)),
            _ => unreachable!("{vectors} vectors of lanes"),
        }
    }

    /// Checks that all that a sweep reads and writes is there.
    #[inline(always)]
    fn check(&self, lanes: usize) {
        let last = |operand: &Strided<'_>| {
            (self.rows - 1) * operand.row + (self.segments - 1) * operand.segment + (self.steps - 1) * operand.step
        };
        if self.segments * self.steps > 0 {
            assert!(last(&self.scalars) < self.scalars.values.len(), "a sweep outside its scalars");
            assert!(
                self.vectors.row == 0 && last(&self.vectors) + lanes <= self.vectors.values.len(),
                "a sweep outside its vectors"
            );
        }
        match self.start {
            Start::Zero => assert!(lanes <= ZEROS.len(), "{lanes} lanes in a tile"),
            Start::Lanes(start) => assert!(lanes <= start.len(), "a sweep outside its start"),
            Start::Out => assert!(self.columns == lanes, "{} of {lanes} lanes", self.columns),
        }
        assert!(self.columns <= lanes, "{} of {lanes} lanes", self.columns);
        let _ = self.out.pointer(self.out_at + (self.rows - 1) * self.out_row + self.columns - 1);
    }
}

/// A sweep with a known number of vectors.
struct Width<'a, const V: usize>(Sweep<'a>);

impl<const V: usize> WithSimd for Width<'_, V> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let sweep = self.0;
        if sweep.rows == 0 || sweep.columns == 0 {
            return;
        }
        sweep.check(V * S::F32_LANES);
        let mut row = 0;
        // The sums, the vectors and one scalar stay in registers.
        // SAFETY: checked above for all rows.
        unsafe {
            if V * 17 < S::REGISTER_COUNT {
                row = tiles::<S, V, 16>(simd, &sweep, row);
            }
            if V * 9 < S::REGISTER_COUNT {
                row = tiles::<S, V, 8>(simd, &sweep, row);
            }
            if V * 5 < S::REGISTER_COUNT {
                row = tiles::<S, V, 4>(simd, &sweep, row);
            }
            if V * 3 < S::REGISTER_COUNT {
                row = tiles::<S, V, 2>(simd, &sweep, row);
            }
            tiles::<S, V, 1>(simd, &sweep, row);
        }
    }
}

/// As many tiles of `R` rows as fit from `row` on; returns the first row that is left.
///
/// # Safety
///
/// The sweep must have been checked.
#[inline(always)]
unsafe fn tiles<S: Simd, const V: usize, const R: usize>(simd: S, sweep: &Sweep<'_>, mut row: usize) -> usize {
    while row + R <= sweep.rows {
        // SAFETY: by the caller's promise.
        unsafe { tile::<S, V, R>(simd, sweep, row) };
        row += R;
    }
    row
}

/// # Safety
///
/// The sweep must have been checked and have the rows from `row` on.
#[inline(always)]
unsafe fn tile<S: Simd, const V: usize, const R: usize>(simd: S, sweep: &Sweep<'_>, row: usize) {
    let lanes = S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    // SAFETY: `Sweep::check` covers every row, segment, step and lane.
    unsafe {
        let out = sweep.out.pointer(sweep.out_at).add(row * sweep.out_row);
        // One kind of load for all: a choice inside the loop keeps the compiler from holding the sums in registers.
        let (start, start_row) = match sweep.start {
            Start::Zero => (ZEROS.as_ptr(), 0),
            Start::Lanes(start) => (start.as_ptr(), 0),
            Start::Out => (out.cast_const(), sweep.out_row),
        };
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = load(simd, start.add(r * start_row + v * lanes));
            }
        }
        let scalars = sweep.scalars.values.as_ptr().wrapping_add(row * sweep.scalars.row);
        let (scalar_row, scalar_step) = (sweep.scalars.row, sweep.scalars.step);
        let vector_step = sweep.vectors.step;
        for segment in 0..sweep.segments {
            let mut scalar = scalars.wrapping_add(segment * sweep.scalars.segment);
            let mut vector = sweep.vectors.values.as_ptr().wrapping_add(segment * sweep.vectors.segment);
            for _ in 0..sweep.steps {
                let mut vectors = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    vectors[v] = load(simd, vector.add(v * lanes));
                }
                for r in 0..R {
                    let x = simd.splat_f32s(*scalar.add(r * scalar_row));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(vectors[v], x, sums[r][v]);
                    }
                }
                scalar = scalar.wrapping_add(scalar_step);
                vector = vector.wrapping_add(vector_step);
            }
        }
        for r in 0..R {
            for v in 0..V {
                let to = out.add(r * sweep.out_row + v * lanes);
                if (v + 1) * lanes <= sweep.columns {
                    to.cast::<S::f32s>().write_unaligned(sums[r][v]);
                } else {
                    let rest = sweep.columns.saturating_sub(v * lanes);
                    simd.mask_store_ptr_f32s(simd.mask_between_m32s(0, rest as u32), to, sums[r][v]);
                }
            }
        }
    }
}

/// # Safety
///
/// The lanes must be there.
#[inline(always)]
unsafe fn load<S: Simd>(_: S, from: *const f32) -> S::f32s {
    // SAFETY: by the caller's promise.
    unsafe { from.cast::<S::f32s>().read_unaligned() }
}
