use super::TAPS;
use pulp::Simd;

/// The same channels of the pixels under the kernel, in vectors.
pub(super) struct Window<'a, S: Simd> {
    simd: S,
    whole: [&'a [S::f32s]; TAPS],
    rest: [&'a [f32]; TAPS],
}

impl<'a, S: Simd> Window<'a, S> {
    #[inline(always)]
    pub(super) fn new(simd: S, pixels: [&'a [f32]; TAPS]) -> Self {
        let count = pixels[0].len() / S::F32_LANES;
        let (mut whole, mut rest): ([&[S::f32s]; TAPS], _) = ([&[]; TAPS], pixels);
        for tap in 0..TAPS {
            let parts = S::as_simd_f32s(pixels[tap]);
            (whole[tap], rest[tap]) = (&parts.0[..count], parts.1);
        }
        Self { simd, whole, rest }
    }

    /// Vector `index` of every pixel.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> [S::f32s; TAPS] {
        let mut values = [self.simd.splat_f32s(0.0); TAPS];
        if index < self.whole[0].len() {
            for tap in 0..TAPS {
                values[tap] = self.whole[tap][index];
            }
        } else {
            for tap in 0..TAPS {
                values[tap] = self.simd.partial_load_f32s(self.rest[tap]);
            }
        }
        values
    }
}

/// Sum of the products of a window with the weights, on top of `start`.
#[inline(always)]
pub(super) fn convolve<S: Simd>(simd: S, window: &[S::f32s; TAPS], weight: &[S::f32s], start: S::f32s) -> S::f32s {
    // Two chains of sums, which run side by side.
    let (mut even, mut odd) = (start, simd.mul_f32s(window[1], weight[1]));
    for tap in 0..TAPS {
        if tap % 2 == 0 {
            even = simd.mul_add_e_f32s(window[tap], weight[tap], even);
        } else if tap > 1 {
            odd = simd.mul_add_e_f32s(window[tap], weight[tap], odd);
        }
    }
    simd.add_f32s(even, odd)
}
