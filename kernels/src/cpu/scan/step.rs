//! The step of a tile, `dt = softplus(x)`, expanded from its low rank: `x = bias + sum_r weight[r] low[r]`.

use super::tile::{Tile, array};
use pulp::{Simd, bytemuck};

/// Steps that are expanded together: each weight is loaded once for all of them.
const TOGETHER: usize = 8;

/// Adds `sum_r weight[r] low[r]` to the `x` of every step.
#[inline(always)]
pub(super) fn expand<S: Simd>(simd: S, weight: &[S::f32s], rows: &[&[f32]], x: &mut [S::f32s]) {
    let mut first = 0;
    while first + TOGETHER <= rows.len() {
        expand_some::<S, TOGETHER>(simd, weight, array(rows, first), &mut x[first..first + TOGETHER]);
        first += TOGETHER;
    }
    while first < rows.len() {
        expand_some::<S, 1>(simd, weight, array(rows, first), &mut x[first..=first]);
        first += 1;
    }
}

#[inline(always)]
fn expand_some<S: Simd, const C: usize>(simd: S, weight: &[S::f32s], rows: &[&[f32]; C], x: &mut [S::f32s]) {
    let mut low: [&[f32]; C] = *rows;
    unroll!(C, i, {
        low[i] = &low[i][..weight.len()];
    });
    let mut sums: [S::f32s; C] = *array(x, 0);
    for r in 0..weight.len() {
        let weight = weight[r];
        unroll!(C, i, {
            sums[i] = simd.mul_add_e_f32s(weight, simd.splat_f32s(low[i][r]), sums[i]);
        });
    }
    x.copy_from_slice(&sums);
}

/// Adds the gradient of the weights: `weight[r] += sum_steps dx[step] low[step][r]`.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd>(simd: S, tile: &Tile<'_, S>, dx: &[S::f32s], weight: &mut [S::f32s]) {
    let mut r = 0;
    while r + 12 <= weight.len() {
        weight_some::<S, 12>(simd, tile, dx, r, weight);
        r += 12;
    }
    while r + 6 <= weight.len() {
        weight_some::<S, 6>(simd, tile, dx, r, weight);
        r += 6;
    }
    while r < weight.len() {
        weight_some::<S, 1>(simd, tile, dx, r, weight);
        r += 1;
    }
}

#[inline(always)]
fn weight_some<S: Simd, const C: usize>(
    simd: S,
    tile: &Tile<'_, S>,
    dx: &[S::f32s],
    first: usize,
    weight: &mut [S::f32s],
) {
    let mut sums: [S::f32s; C] = *array(weight, first);
    for (row, &dx) in tile.rows.iter().zip(dx) {
        let low: &[f32; C] = array(row, first);
        unroll!(C, i, {
            sums[i] = simd.mul_add_e_f32s(dx, simd.splat_f32s(low[i]), sums[i]);
        });
    }
    weight[first..first + C].copy_from_slice(&sums);
}

/// Adds the gradient of the low-rank step to `low [steps][registers of R]`, lanes along R.
///
/// A product `[steps, channels] x [channels, R]` over the channels of the block; `weight_rows` holds the weights as
/// `[lanes][registers of R]`.
#[inline(always)]
pub(super) fn low_gradient<S: Simd>(simd: S, dx: &[S::f32s], weight_rows: &[S::f32s], low: &mut [S::f32s]) {
    let columns = weight_rows.len() / S::F32_LANES;
    for column in 0..columns {
        let mut first = 0;
        while first + TOGETHER <= dx.len() {
            low_some::<S, TOGETHER>(simd, &dx[first..], weight_rows, column, &mut low[first * columns..]);
            first += TOGETHER;
        }
        while first < dx.len() {
            low_some::<S, 1>(simd, &dx[first..], weight_rows, column, &mut low[first * columns..]);
            first += 1;
        }
    }
}

#[inline(always)]
fn low_some<S: Simd, const C: usize>(
    simd: S,
    dx: &[S::f32s],
    weight_rows: &[S::f32s],
    column: usize,
    low: &mut [S::f32s],
) {
    let columns = weight_rows.len() / S::F32_LANES;
    let dx: &[f32] = bytemuck::cast_slice(&dx[..C]);
    let mut sums = [simd.splat_f32s(0.0); C];
    for lane in 0..S::F32_LANES {
        let weight = weight_rows[lane * columns + column];
        unroll!(C, i, {
            sums[i] = simd.mul_add_e_f32s(weight, simd.splat_f32s(dx[i * S::F32_LANES + lane]), sums[i]);
        });
    }
    unroll!(C, i, {
        let to = &mut low[i * columns + column];
        *to = simd.add_f32s(*to, sums[i]);
    });
}
