//! Elementary functions on SIMD lanes.

use pulp::Simd;
use std::f32::consts::{LN_2, LOG2_E};

/// Below this exponent `exp2` returns about 2⁻¹²⁵ (2e-38) instead of a denormal.
const EXP2_MIN: f32 = -125.0;
/// Above this exponent `exp2` saturates at about 3e38, the largest f32.
const EXP2_MAX: f32 = 127.999_99;

/// `2^x`, relative error below 3e-7 on [-125, 127.99]; saturates outside. NaN gives some finite number.
///
/// Cody–Waite split `x = n + f`, |f| <= 1/2, and the degree-6 polynomial of Cephes' `exp2f`.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 1.5 * 2^23: adding it rounds to an integer that then stands in the low mantissa bits.
    let magic = simd.splat_f32s(12_582_912.0);
    let x = simd.max_f32s(x, simd.splat_f32s(EXP2_MIN));
    let x = simd.min_f32s(x, simd.splat_f32s(EXP2_MAX));
    let shifted = simd.add_f32s(x, magic);
    let f = simd.sub_f32s(x, simd.sub_f32s(shifted, magic));
    let mut p = simd.splat_f32s(1.535_336_2e-4);
    for coefficient in [1.339_887_5e-3, 9.618_437e-3, 5.550_332_4e-2, 0.240_226_48, LN_2, 1.0] {
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
///
/// `max(x, 0) + ln(1 + t)` with `t = exp(-|x|)`, and `ln(1 + t) = 2 atanh(t / (2 + t))` by its series.
#[inline(always)]
pub(crate) fn softplus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let t = exp_neg_abs(simd, x);
    let s = simd.div_f32s(t, simd.add_f32s(t, simd.splat_f32s(2.0)));
    let s2 = simd.mul_f32s(s, s);
    let mut p = simd.splat_f32s(2.0 / 13.0);
    for coefficient in [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0, 2.0] {
        p = simd.mul_add_e_f32s(p, s2, simd.splat_f32s(coefficient));
    }
    let y = simd.mul_add_e_f32s(p, s, simd.max_f32s(x, simd.splat_f32s(0.0)));
    // SIMD `max` may drop a NaN: x - x puts it back, so that a broken input never looks like a result.
    simd.add_f32s(y, simd.sub_f32s(x, x))
}

/// `1 / (1 + exp(-x))`, the derivative of [`softplus`].
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let t = exp_neg_abs(simd, x);
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    simd.div_f32s(simd.select_f32s(negative, t, one), simd.add_f32s(t, one))
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Simd, WithSimd};

    #[derive(Clone, Copy)]
    enum Kind {
        Exp2,
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
                    Kind::Softplus => super::softplus(simd, x),
                    Kind::Sigmoid => super::sigmoid(simd, x),
                };
                simd.partial_store_f32s(chunk, y);
            }
        }
    }

    /// Largest relative error against f64 over a grid of 400,000 points.
    fn worst(function: Kind, from: f64, to: f64, truth: fn(f64) -> f64) -> f64 {
        let xs: Vec<f32> = (0..400_000).map(|i| (from + (to - from) * f64::from(i) / 399_999.0) as f32).collect();
        let mut ys = xs.clone();
        Arch::new().dispatch(Map { function, values: &mut ys });
        xs.iter()
            .zip(&ys)
            .map(|(&x, &y)| {
                let truth = truth(f64::from(x));
                ((f64::from(y) - truth) / truth).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp2_is_accurate_over_the_normal_range() {
        let error = worst(Kind::Exp2, -125.0, 127.99, f64::exp2);
        assert!(error < 3e-7, "relative error {error:e}");
    }

    #[test]
    fn softplus_and_its_derivative_are_accurate() {
        let error = worst(Kind::Softplus, -80.0, 80.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
        // exp's argument is rounded to f32 first, which costs |x| * 2^-24 of relative error far from zero.
        assert!(error < 6e-6, "relative error {error:e}");
        let near = worst(Kind::Softplus, -4.0, 80.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
        assert!(near < 6e-7, "relative error {near:e}");
        let error = worst(Kind::Sigmoid, -80.0, 80.0, |x| 1.0 / (1.0 + (-x).exp()));
        assert!(error < 6e-6, "relative error {error:e}");
    }

    #[test]
    fn softplus_passes_nan_on() {
        let mut y = [f32::NAN; 16];
        Arch::new().dispatch(Map { function: Kind::Softplus, values: &mut y });
        assert!(y.iter().all(|y| y.is_nan()), "{y:?}");
    }

    #[test]
    fn extremes_stay_finite() {
        for x in [f32::MIN, -1e30, -200.0, -125.0, -0.0, 0.0, 1e-30, 127.0, 128.0, 1e30, f32::MAX] {
            for function in [Kind::Exp2, Kind::Sigmoid, Kind::Softplus] {
                let mut y = [x; 16];
                Arch::new().dispatch(Map { function, values: &mut y });
                assert!(y.iter().all(|y| y.is_finite() && *y >= 0.0), "at {x}: {y:?}");
            }
        }
    }
}
