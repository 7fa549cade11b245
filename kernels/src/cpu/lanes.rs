//! Elementary functions on SIMD lanes.

use pulp::{Arch, Simd, WithSimd, bytemuck};
#[cfg(target_arch = "x86_64")]
use pulp::{f32x16, x86::V4};
use std::f32::consts::{LN_2, LOG2_E};
#[cfg(target_arch = "x86_64")]
use std::{any::TypeId, arch::x86_64::__m512};

/// Below this exponent the clamped forms return about 2⁻¹²⁵ (2e-38) instead of a denormal.
const EXP2_MIN: f32 = -125.0;
/// Above this exponent the clamped forms saturate at about 3e38, the largest f32.
const EXP2_MAX: f32 = 127.999_99;
/// [`exp2_product`] needs no clamp while the product stays within ± this.
pub(crate) const EXP2_SAFE: f32 = 125.0;

/// 1.5 * 2²³: adding it rounds to an integer that then stands in the low mantissa bits.
const MAGIC: f32 = 12_582_912.0;

/// `2^x`, relative error below 3e-7 on [-125, 127.99]; saturates outside. NaN gives some finite number.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    exp2_product::<S, true>(simd, x, simd.splat_f32s(1.0))
}

/// `2^(x * y)`; the product enters unrounded where the machine has a fused multiply-add.
///
/// Without `CLAMP` the caller keeps `|x * y| <= EXP2_SAFE`.
///
/// Cody–Waite split `x * y = n + f`, |f| <= 1/2, and a degree-5 minimax polynomial that is 1 at 0 (truncation 9e-8):
/// slow decays, whose errors add up over the sequence, are the most exact.
#[inline(always)]
pub(crate) fn exp2_product<S: Simd, const CLAMP: bool>(simd: S, x: S::f32s, y: S::f32s) -> S::f32s {
    let magic = simd.splat_f32s(MAGIC);
    let (shifted, f) = if CLAMP {
        let x = simd.max_f32s(simd.mul_f32s(x, y), simd.splat_f32s(EXP2_MIN));
        let x = simd.min_f32s(x, simd.splat_f32s(EXP2_MAX));
        let shifted = simd.add_f32s(x, magic);
        (shifted, simd.sub_f32s(x, simd.sub_f32s(shifted, magic)))
    } else {
        let shifted = simd.mul_add_e_f32s(x, y, magic);
        (shifted, simd.mul_add_e_f32s(x, y, simd.sub_f32s(magic, shifted)))
    };
    let mut p = simd.splat_f32s(0.001_326_472_7);
    // the linear one is three units in the last place below ln 2
    for coefficient in [0.009_671_513, 0.055_507_336, 0.240_222_42, LN_2 - 1.8e-7, 1.0] {
        p = simd.mul_add_e_f32s(p, f, simd.splat_f32s(coefficient));
    }
    let n = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), n))
}

/// `exp(-|x|)`.
#[inline(always)]
fn exp_neg_abs<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    exp2(simd, simd.mul_f32s(simd.abs_f32s(x), simd.splat_f32s(-LOG2_E)))
}

/// `ln(1 + exp(x))`, relative error below 3e-7.
#[inline(always)]
pub(crate) fn softplus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    softplus_from(simd, x, exp_neg_abs(simd, x))
}

/// [`softplus`] and its derivative [`sigmoid`], from one exponential.
#[inline(always)]
pub(crate) fn softplus_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let t = exp_neg_abs(simd, x);
    (softplus_from(simd, x, t), sigmoid_from(simd, x, t))
}

/// `max(x, 0) + ln(1 + t)` with `t = exp(-|x|)`, and `ln(1 + t) = t q(t)` with a minimax polynomial (truncation 4e-8).
#[inline(always)]
fn softplus_from<S: Simd>(simd: S, x: S::f32s, t: S::f32s) -> S::f32s {
    let mut q = simd.splat_f32s(0.005_364_824);
    for coefficient in
        [-0.030_065_792, 0.079_204_54, -0.137_538_03, 0.191_536_55, -0.248_571_63, 0.333_213_24, -0.499_996_48, 1.0]
    {
        q = simd.mul_add_e_f32s(q, t, simd.splat_f32s(coefficient));
    }
    let y = simd.mul_add_e_f32s(q, t, simd.max_f32s(x, simd.splat_f32s(0.0)));
    // SIMD `max` may drop a NaN: x - x puts it back, so that a broken input never looks like a result.
    simd.add_f32s(y, simd.sub_f32s(x, x))
}

/// `1 / (1 + exp(-x))`, the derivative of [`softplus`].
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    sigmoid_from(simd, x, exp_neg_abs(simd, x))
}

#[inline(always)]
fn sigmoid_from<S: Simd>(simd: S, x: S::f32s, t: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    simd.div_f32s(simd.select_f32s(negative, t, one), simd.add_f32s(t, one))
}

/// Sums the lanes of every register into `to` and clears them.
#[inline(always)]
pub(crate) fn sum_lanes<S: Simd>(simd: S, from: &mut [S::f32s], to: &mut [f32]) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<V4>()
        && let Some(v4) = V4::try_new()
    {
        let registers: &[f32x16] = bytemuck::cast_slice(from);
        for (from, to) in registers.as_chunks::<16>().0.iter().zip(to.as_chunks_mut::<16>().0) {
            *to = bytemuck::cast(sum_sixteen(v4, from));
            done += 16;
        }
    }
    for (from, to) in from[done..].iter().zip(&mut to[done..]) {
        *to = simd.reduce_sum_f32s(*from);
    }
    from.fill(simd.splat_f32s(0.0));
}

/// The sums of sixteen registers in one, by four rounds of halving: a third of the work of sixteen sums apart.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn sum_sixteen(v4: V4, from: &[f32x16; 16]) -> f32x16 {
    let simd = v4.avx512f;
    let raw = |index: usize| -> __m512 { pulp::cast(from[index]) };
    let mut quads = [raw(0); 4];
    for i in 0..4 {
        // per group of four lanes: the sums of registers 4i, 4i+1, 4i+2, 4i+3
        let (a, b, c, d) = (raw(4 * i), raw(4 * i + 1), raw(4 * i + 2), raw(4 * i + 3));
        let ab = simd._mm512_add_ps(simd._mm512_unpacklo_ps(a, b), simd._mm512_unpackhi_ps(a, b));
        let cd = simd._mm512_add_ps(simd._mm512_unpacklo_ps(c, d), simd._mm512_unpackhi_ps(c, d));
        let low = simd._mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
        let high = simd._mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
        quads[i] = simd._mm512_add_ps(low, high);
    }
    let [a, b, c, d] = quads;
    // groups of four lanes: [a0 + a1, a2 + a3, b0 + b1, b2 + b3]
    let ab = simd._mm512_add_ps(
        simd._mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
        simd._mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
    );
    let cd = simd._mm512_add_ps(
        simd._mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
        simd._mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
    );
    pulp::cast(simd._mm512_add_ps(
        simd._mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd),
        simd._mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd),
    ))
}

/// A register from the first values of a slice.
#[inline(always)]
pub(crate) fn load<S: Simd>(_: S, values: &[f32]) -> S::f32s {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&values[..S::F32_LANES]))
}

/// Lanes of an instruction set.
pub(crate) fn lanes(arch: Arch) -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    arch.dispatch(Lanes)
}

/// Turns every value `x` into `factor * exp(x)`; relative error below 3e-7 and the rounding of `x log2(e)`, |x| 1.2e-7.
pub(crate) fn exp_in_place(values: &mut [f32], factor: f32) {
    struct Exp<'a>(&'a mut [f32], f32);
    impl WithSimd for Exp<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (log2_e, factor) = (simd.splat_f32s(LOG2_E), simd.splat_f32s(self.1));
            for chunk in self.0.chunks_mut(S::F32_LANES) {
                let x = simd.partial_load_f32s(chunk);
                let y = simd.mul_f32s(exp2_product::<S, true>(simd, x, log2_e), factor);
                // The clamps of the exponential drop a NaN.
                let number = simd.equal_f32s(x, x);
                simd.partial_store_f32s(chunk, simd.select_f32s(number, y, x));
            }
        }
    }
    Arch::new().dispatch(Exp(values, factor));
}

#[cfg(test)]
pub(crate) mod tests {
    use pulp::{Arch, Simd, WithSimd};

    /// Every instruction set that this machine has, not only the best one.
    pub(crate) fn levels() -> Vec<Arch> {
        let mut levels = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(pulp::x86::V3::try_new().map(Arch::V3));
            levels.extend(pulp::x86::V4::try_new().map(Arch::V4));
        }
        #[cfg(not(target_arch = "x86_64"))]
        levels.push(Arch::new());
        levels
    }

    #[derive(Clone, Copy)]
    enum Kind {
        Exp2,
        Unclamped,
        Softplus,
        Sigmoid,
    }

    /// Applies one of the functions to every element of a slice.
    struct Map<'a> {
        function: Kind,
        values: &'a mut [f32],
    }

    impl WithSimd for Map<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for chunk in self.values.chunks_mut(S::F32_LANES) {
                let x = simd.partial_load_f32s(chunk);
                let y = match self.function {
                    Kind::Exp2 => super::exp2(simd, x),
                    Kind::Unclamped => super::exp2_product::<S, false>(simd, x, simd.splat_f32s(1.0)),
                    Kind::Softplus => super::softplus(simd, x),
                    Kind::Sigmoid => super::sigmoid(simd, x),
                };
                simd.partial_store_f32s(chunk, y);
            }
        }
    }

    /// Largest relative error against f64 over a grid of 400,000 points.
    fn worst(arch: Arch, function: Kind, from: f64, to: f64, truth: fn(f64) -> f64) -> f64 {
        let xs: Vec<f32> = (0..400_000).map(|i| (from + (to - from) * f64::from(i) / 399_999.0) as f32).collect();
        let mut ys = xs.clone();
        arch.dispatch(Map { function, values: &mut ys });
        xs.iter()
            .zip(&ys)
            .map(|(&x, &y)| {
                let truth = truth(f64::from(x));
                ((f64::from(y) - truth) / truth).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_in_place_is_accurate_and_keeps_nan() {
        let x: Vec<f32> = (0..10_000).map(|i| i as f32 / 100.0 - 60.0).collect();
        let mut y = x.clone();
        super::exp_in_place(&mut y, -2.0);
        for (x, y) in x.iter().zip(y) {
            let truth = -2.0 * f64::from(*x).exp();
            // Where there is no fused multiply-add the argument is rounded first: |x| 2^-24 of relative error.
            let bound = 3e-7 + f64::from(x.abs()) * 1.2e-7;
            assert!(((f64::from(y) - truth) / truth).abs() < bound, "at {x}: {y} and not {truth}");
        }
        let mut extremes = [f32::NAN, f32::NEG_INFINITY];
        super::exp_in_place(&mut extremes, 1.0);
        assert!(extremes[0].is_nan() && extremes[1].abs() < 1e-37, "{extremes:?}");
    }

    #[test]
    fn exp2_is_accurate_over_the_normal_range() {
        for arch in levels() {
            let error = worst(arch, Kind::Exp2, -125.0, 127.99, f64::exp2);
            assert!(error < 3e-7, "{arch:?}: relative error {error:e}");
            let error = worst(arch, Kind::Unclamped, -125.0, 125.0, f64::exp2);
            assert!(error < 3e-7, "{arch:?}: relative error {error:e}");
        }
    }

    #[test]
    fn softplus_and_its_derivative_are_accurate() {
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        for arch in levels() {
            // Near zero the polynomials decide. Far below it softplus is exp(x), whose argument x * log2(e) is rounded to
            // f32 first: that costs up to |x| * 2^-24 of relative error, 5e-6 at -80.
            let near = worst(arch, Kind::Softplus, -4.0, 80.0, softplus);
            assert!(near < 5e-7, "{arch:?}: relative error {near:e}");
            let error = worst(arch, Kind::Softplus, -80.0, 80.0, softplus);
            assert!(error < 6e-6, "{arch:?}: relative error {error:e}");
            let error = worst(arch, Kind::Sigmoid, -80.0, 80.0, |x| 1.0 / (1.0 + (-x).exp()));
            assert!(error < 6e-6, "{arch:?}: relative error {error:e}");
        }
    }

    #[test]
    fn lanes_are_summed_and_cleared() {
        struct Sums;
        impl WithSimd for Sums {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                // two groups of sixteen and a rest, every lane another number
                let mut from = vec![simd.splat_f32s(0.0); 35];
                let lanes: &mut [f32] = pulp::bytemuck::cast_slice_mut(&mut from);
                for (index, lane) in lanes.iter_mut().enumerate() {
                    *lane = index as f32;
                }
                let mut to = [0.0; 35];
                super::sum_lanes(simd, &mut from, &mut to);
                let lanes = S::F32_LANES;
                for (index, sum) in to.into_iter().enumerate() {
                    let truth: usize = (index * lanes..(index + 1) * lanes).sum();
                    assert!((sum - truth as f32).abs() < 0.5, "register {index} of {lanes} lanes: {sum}");
                }
                assert!(pulp::bytemuck::cast_slice::<_, f32>(&from).iter().all(|lane| *lane == 0.0));
            }
        }
        for arch in levels() {
            arch.dispatch(Sums);
        }
    }

    #[test]
    fn softplus_passes_nan_on() {
        for arch in levels() {
            let mut y = [f32::NAN; 16];
            arch.dispatch(Map { function: Kind::Softplus, values: &mut y });
            assert!(y.iter().all(|y| y.is_nan()), "{arch:?}: {y:?}");
        }
    }

    #[test]
    fn extremes_stay_finite() {
        for x in [f32::MIN, -1e30, -200.0, -125.0, -0.0, 0.0, 1e-30, 127.0, 128.0, 1e30, f32::MAX] {
            for function in [Kind::Exp2, Kind::Sigmoid, Kind::Softplus] {
                for arch in levels() {
                    let mut y = [x; 16];
                    arch.dispatch(Map { function, values: &mut y });
                    assert!(y.iter().all(|y| y.is_finite() && *y >= 0.0), "{arch:?} at {x}: {y:?}");
                }
            }
        }
    }
}
