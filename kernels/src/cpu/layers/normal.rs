//! GELU and `SiLU` on SIMD lanes.

use crate::cpu::lanes::{exp2_product, sigmoid};
use pulp::Simd;
use std::f32::consts::LOG2_E;

/// `log2(2 Φ(-a)) / a` by powers of `a`, highest first: weighted minimax fit on [0, 12.95].
const TAIL: [f32; 12] = [
    -1.451_475_1e-11,
    1.073_584_1e-9,
    -3.445_556_6e-8,
    6.267_156e-7,
    -7.035_351e-6,
    4.862_898_3e-5,
    -1.717_982_7e-4,
    -2.429_253e-4,
    7.262_659_7e-3,
    -5.266_515_6e-2,
    -0.459_145_07,
    -1.151_112_8,
];
/// Beyond this `Φ(-a)` is below the smallest normal f32 and counts as zero.
const END: f32 = 12.9;
/// `1 / √(2π)`.
const PEAK: f32 = 0.398_942_3;
/// Below this `exp(x)` is below the smallest normal f32 and counts as zero.
const SIGMOID_END: f32 = -87.0;

/// `2 Φ(-a)` for `0 <= a <= END`, anything beyond; `Φ` is the distribution function of the normal distribution.
///
/// As an exponential of a polynomial it is smooth, needs no division, and does not cancel far out.
#[inline(always)]
fn tails<S: Simd>(simd: S, a: S::f32s) -> S::f32s {
    let mut p = simd.splat_f32s(TAIL[0]);
    for coefficient in &TAIL[1..] {
        p = simd.mul_add_e_f32s(p, a, simd.splat_f32s(*coefficient));
    }
    exp2_product::<S, false>(simd, p, a)
}

/// `value`, or zero where `a` is beyond [`END`]. Keeps NaN.
#[inline(always)]
fn cut<S: Simd>(simd: S, a: S::f32s, value: S::f32s) -> S::f32s {
    let beyond = simd.greater_than_f32s(a, simd.splat_f32s(END));
    simd.select_f32s(beyond, simd.splat_f32s(0.0), value)
}

/// `max(x, 0) - a Φ(-a)` with `a = |x|`: `x Φ(x)` without cancellation on either side.
#[inline(always)]
fn gelu_of<S: Simd>(simd: S, x: S::f32s, a: S::f32s, tails: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    let positive = simd.select_f32s(simd.less_than_f32s(x, zero), zero, x);
    let product = simd.mul_f32s(simd.mul_f32s(a, simd.splat_f32s(0.5)), tails);
    simd.sub_f32s(positive, cut(simd, a, product))
}

/// Exact GELU, `x Φ(x) = x/2 (1 + erf(x/√2))` (Hendrycks and Gimpel 2016).
///
/// Absolute error below `1.5e-7 max(1, |x|)`; relative error below 1e-3 down to -12.9, zero beyond. NaN passes, `-∞` gives
/// zero.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let a = simd.abs_f32s(x);
    gelu_of(simd, x, a, tails(simd, a))
}

/// GELU and its derivative `Φ(x) + x φ(x)`.
#[inline(always)]
pub(super) fn gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let a = simd.abs_f32s(x);
    let tails = tails(simd, a);
    // φ(a) √(2π)
    let bell = exp2_product::<S, false>(simd, simd.mul_f32s(a, simd.splat_f32s(-0.5 * LOG2_E)), a);
    // The derivative at -a; the one at a is 1 minus it.
    let product = simd.mul_f32s(simd.mul_f32s(a, simd.splat_f32s(-PEAK)), bell);
    let left = cut(simd, a, simd.mul_add_e_f32s(tails, simd.splat_f32s(0.5), product));
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    let right = simd.sub_f32s(simd.splat_f32s(1.0), left);
    (gelu_of(simd, x, a, tails), simd.select_f32s(negative, left, right))
}

/// `SiLU(x) = x σ(x)` and its derivative `σ(x) (1 + x (1 - σ(x)))`.
#[inline(always)]
pub(super) fn silu_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.0);
    // `sigmoid` stops at about 1e-38, which a large x would make visible again.
    let small = simd.less_than_f32s(x, simd.splat_f32s(SIGMOID_END));
    let sigmoid = simd.select_f32s(small, simd.splat_f32s(0.0), sigmoid(simd, x));
    let slope = simd.mul_add_e_f32s(x, simd.sub_f32s(one, sigmoid), one);
    (simd.mul_f32s(x, sigmoid), simd.mul_f32s(sigmoid, slope))
}
