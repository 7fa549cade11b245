use crate::cpu::layers::{
    Rows,
    bands::{Vectors, by_bands, vectors},
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// Rows whose moments are taken in f32, about the first of them.
const BLOCK: usize = 64;

/// Mean and biased variance of every column.
///
/// Blocks of rows are merged in f64 (Chan et al. 1979). Within a block, differences are taken to its first
/// row, which is at most `√BLOCK` standard deviations of the block away: large offsets do not cancel. All zero where there
/// are no rows.
pub fn batch_statistics(x: Rows<'_>) -> (Vec<f32>, Vec<f32>) {
    let columns = x.columns();
    let bands = by_bands(x.len(), columns, |rows| Arch::new().dispatch(Statistics { x, rows }));
    let mut all = Moments::new(columns);
    for band in &bands {
        all.merge(band);
    }
    let rows = all.rows.max(1) as f64;
    let mean = all.mean.iter().map(|&mean| mean as f32).collect();
    (mean, all.squares.iter().map(|&squares| (squares / rows) as f32).collect())
}

/// Mean and sum of squared differences to it of some rows' columns.
struct Moments {
    rows: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn new(columns: usize) -> Self {
        Self { rows: 0, mean: vec![0.0; columns], squares: vec![0.0; columns] }
    }

    /// Adds those of other rows.
    #[inline(always)]
    fn merge(&mut self, other: &Self) {
        let rows = self.rows + other.rows;
        let share = other.rows as f64 / rows.max(1) as f64;
        let weight = share * self.rows as f64;
        let columns = self.mean.len();
        let (mean, squares) = (&mut self.mean[..columns], &mut self.squares[..columns]);
        let (other_mean, other_squares) = (&other.mean[..columns], &other.squares[..columns]);
        for i in 0..columns {
            let difference = other_mean[i] - mean[i];
            mean[i] += difference * share;
            squares[i] += other_squares[i] + difference * difference * weight;
        }
        self.rows = rows;
    }

    /// Sets those of `rows` rows, from the sums of their differences to the first one and of the squares.
    #[inline(always)]
    fn set(&mut self, rows: usize, first: &[f32], sums: &[f32], squares: &[f32]) {
        let share = 1.0 / rows as f64;
        let columns = self.mean.len();
        let (mean, square) = (&mut self.mean[..columns], &mut self.squares[..columns]);
        let (first, sums, squares) = (&first[..columns], &sums[..columns], &squares[..columns]);
        for i in 0..columns {
            let sum = f64::from(sums[i]);
            let offset = sum * share;
            mean[i] = f64::from(first[i]) + offset;
            square[i] = f64::from(squares[i]) - sum * offset;
        }
        self.rows = rows;
    }
}

/// Moments of some rows.
struct Statistics<'a> {
    x: Rows<'a>,
    rows: Range<usize>,
}

impl WithSimd for Statistics<'_> {
    type Output = Moments;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Moments {
        let columns = self.x.columns();
        let n = vectors::<S>(columns);
        let (mut moments, mut block) = (Moments::new(columns), Moments::new(columns));
        let (mut sums, mut squares) = (vec![0.0f32; n * S::F32_LANES], vec![0.0f32; n * S::F32_LANES]);
        let mut from = self.rows.start;
        while from < self.rows.end {
            let to = self.rows.end.min(from + BLOCK);
            let first = Vectors::new(simd, self.x.row(from));
            sums.fill(0.0);
            squares.fill(0.0);
            let sum: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut sums);
            let square: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut squares);
            for row in from + 1..to {
                let x = Vectors::new(simd, self.x.row(row));
                for i in 0..n {
                    let difference = simd.sub_f32s(x.at(i), first.at(i));
                    sum[i] = simd.add_f32s(sum[i], difference);
                    square[i] = simd.mul_add_e_f32s(difference, difference, square[i]);
                }
            }
            block.set(to - from, self.x.row(from), &sums, &squares);
            moments.merge(&block);
            from = to;
        }
        moments
    }
}
