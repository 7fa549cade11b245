use crate::cpu::layers::bands::Vectors;
use pulp::{Simd, as_arrays};

/// Mean of a row and one over its standard deviation.
///
/// Two passes over a row in the L1 cache: squares of differences do not cancel.
#[inline(always)]
pub(super) fn statistics<S: Simd>(simd: S, x: &Vectors<'_, S>, columns: usize, epsilon: f32) -> (S::f32s, S::f32s) {
    let zero = simd.splat_f32s(0.0);
    // Four sums at once, since each waits for its last addition.
    let (fours, ones) = as_arrays::<4, _>(x.whole());
    let mut sums = [zero; 4];
    for four in fours {
        for lane in 0..4 {
            sums[lane] = simd.add_f32s(sums[lane], four[lane]);
        }
    }
    let mut sum = join(simd, sums);
    for &x in ones {
        sum = simd.add_f32s(sum, x);
    }
    sum = simd.add_f32s(sum, simd.partial_load_f32s(x.rest()));
    let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) / columns as f32);
    let mut sums = [zero; 4];
    for four in fours {
        for lane in 0..4 {
            let difference = simd.sub_f32s(four[lane], mean);
            sums[lane] = simd.mul_add_e_f32s(difference, difference, sums[lane]);
        }
    }
    let mut squares = join(simd, sums);
    for &x in ones {
        let difference = simd.sub_f32s(x, mean);
        squares = simd.mul_add_e_f32s(difference, difference, squares);
    }
    if !x.rest().is_empty() {
        // Ones where there are values, so that the padding counts nothing.
        let inside = simd.partial_load_f32s(&[1.0; 64][..x.rest().len()]);
        let difference = simd.mul_f32s(simd.sub_f32s(simd.partial_load_f32s(x.rest()), mean), inside);
        squares = simd.mul_add_e_f32s(difference, difference, squares);
    }
    let variance = simd.reduce_sum_f32s(squares) / columns as f32;
    (mean, simd.splat_f32s(1.0 / (variance + epsilon).sqrt()))
}

#[inline(always)]
fn join<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> S::f32s {
    simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d))
}

#[inline(always)]
pub(super) fn normalised<S: Simd>(simd: S, x: S::f32s, (mean, factor): (S::f32s, S::f32s)) -> S::f32s {
    simd.mul_f32s(simd.sub_f32s(x, mean), factor)
}
