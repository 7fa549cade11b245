//! The recurrence over one tile: some steps of one block of channels, everything in cache.

use crate::cpu::lanes::exp2_product;
use pulp::Simd;

/// Operands of a tile; arrays of lanes hold one entry a step.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a, S: Simd> {
    pub(super) rank: usize,
    pub(super) states: usize,
    /// One row `[dt_low (R) | b (N) | c (N)]` a step.
    pub(super) rows: &'a [&'a [f32]],
    pub(super) u: &'a [S::f32s],
    /// Derivative of the softplus, where it was asked for.
    pub(super) slope: &'a [S::f32s],
    /// Step after softplus.
    pub(super) dt: &'a [S::f32s],
    /// `dt * u`.
    pub(super) input: &'a [S::f32s],
    /// `a * log2(e)`, `[states]`.
    pub(super) a_log2: &'a [S::f32s],
    /// Whether some decay may leave the range of the unclamped exponential.
    pub(super) clamp: bool,
}

/// Values of a slice from `first` on, as an array.
#[inline(always)]
pub(super) fn array<T, const C: usize>(values: &[T], first: usize) -> &[T; C] {
    values[first..first + C].try_into().expect("a slice of C values")
}

impl<S: Simd> Tile<'_, S> {
    /// A tile without steps, to be replaced.
    pub(super) const EMPTY: Self =
        Self { rank: 0, states: 0, rows: &[], u: &[], slope: &[], dt: &[], input: &[], a_log2: &[], clamp: false };

    pub(super) fn steps(&self) -> usize {
        self.rows.len()
    }

    /// Advances `state` over the tile; with `Y` adds `sum_n c h` to `y`.
    #[inline(always)]
    pub(super) fn forward<const Y: bool>(&self, simd: S, state: &mut [S::f32s], y: &mut [S::f32s]) {
        if self.clamp {
            self.forward_states::<Y, true>(simd, state, y);
        } else {
            self.forward_states::<Y, false>(simd, state, y);
        }
    }

    #[inline(always)]
    fn forward_states<const Y: bool, const CLAMP: bool>(&self, simd: S, state: &mut [S::f32s], y: &mut [S::f32s]) {
        let mut first = 0;
        // as many states as the registers hold beside the temporaries
        if S::REGISTER_COUNT >= 32 {
            while first + 16 <= self.states {
                self.forward_chunk::<16, Y, CLAMP>(simd, first, state, y);
                first += 16;
            }
        } else {
            while first + 8 <= self.states {
                self.forward_chunk::<8, Y, CLAMP>(simd, first, state, y);
                first += 8;
            }
        }
        while first + 4 <= self.states {
            self.forward_chunk::<4, Y, CLAMP>(simd, first, state, y);
            first += 4;
        }
        while first < self.states {
            self.forward_chunk::<1, Y, CLAMP>(simd, first, state, y);
            first += 1;
        }
    }

    /// `C` states from `first` on over all steps.
    #[inline(always)]
    fn forward_chunk<const C: usize, const Y: bool, const CLAMP: bool>(
        &self,
        simd: S,
        first: usize,
        state: &mut [S::f32s],
        y: &mut [S::f32s],
    ) {
        let a_log2: &[S::f32s; C] = array(self.a_log2, first);
        let mut h: [S::f32s; C] = *array(state, first);
        let steps = self.steps();
        let (dts, inputs) = (&self.dt[..steps], &self.input[..steps]);
        let y = if Y { &mut y[..steps] } else { y };
        for step in 0..steps {
            let row = self.rows[step];
            let b: &[f32; C] = array(row, self.rank + first);
            let c: &[f32; C] = array(row, self.rank + self.states + first);
            let (dt, input) = (dts[step], inputs[step]);
            // two sums: one chain of additions would be as long as the rest takes
            let mut even = if Y { y[step] } else { dt };
            let mut odd = simd.splat_f32s(0.0);
            unroll!(C, n, {
                let decay = exp2_product::<S, CLAMP>(simd, dt, a_log2[n]);
                h[n] = simd.mul_add_e_f32s(decay, h[n], simd.mul_f32s(input, simd.splat_f32s(b[n])));
                if Y && n % 2 == 0 {
                    even = simd.mul_add_e_f32s(h[n], simd.splat_f32s(c[n]), even);
                } else if Y {
                    odd = simd.mul_add_e_f32s(h[n], simd.splat_f32s(c[n]), odd);
                }
            });
            if Y {
                y[step] = if C == 1 { even } else { simd.add_f32s(even, odd) };
            }
        }
        state[first..first + C].copy_from_slice(&h);
    }
}
