//! The reverse walk over one tile.

use super::{
    TILE,
    tile::{Tile, array},
};
use crate::cpu::lanes::exp2_product;
use pulp::Simd;

/// Scratch of the backward pass, for one chunk of states at a time.
pub(super) struct Trace<S: Simd> {
    /// States before the tile and after each step.
    h: Vec<S::f32s>,
    /// Decays of each step.
    decay: Vec<S::f32s>,
}

/// States that a reverse walk takes at a time: their carries and gradients of `a` stay in registers.
const CHUNK: usize = 8;

impl<S: Simd> Trace<S> {
    pub(super) fn new(simd: S) -> Self {
        let zero = simd.splat_f32s(0.0);
        Self { h: vec![zero; (TILE + 1) * CHUNK], decay: vec![zero; TILE * CHUNK] }
    }
}

/// Where a tile's backward pass puts its results; sums over states are added to.
pub(super) struct TileGradients<'a, S: Simd> {
    /// In: gradient of the state after the tile; out: of the state before it, `[states]`.
    pub(super) carry: &'a mut [S::f32s],
    /// Gradient of `a`, `[states]`.
    pub(super) a: &'a mut [S::f32s],
    /// Sums over the states of `dh * b`, `[steps]`.
    pub(super) by_b: &'a mut [S::f32s],
    /// Sums over the states of `dh * decay * h_before * a * log2(e)`, `[steps]`.
    pub(super) by_a: &'a mut [S::f32s],
    /// Lane by lane: gradients of `b` and `c`, `[steps][2 N]`.
    pub(super) rows: &'a mut [S::f32s],
}

impl<S: Simd> Tile<'_, S> {
    /// Walks the tile backwards from the state before it.
    ///
    /// `ROWS` and `DECAY` say whether the gradients of `b`, `c` and of `a` are wanted.
    #[inline(always)]
    pub(super) fn backward<const ROWS: bool, const DECAY: bool>(
        &self,
        simd: S,
        state: &[S::f32s],
        dy: &[S::f32s],
        trace: &mut Trace<S>,
        out: &mut TileGradients<'_, S>,
    ) {
        let mut first = 0;
        while first + CHUNK <= self.states {
            self.backward_chunk::<CHUNK, ROWS, DECAY>(simd, first, state, dy, trace, out);
            first += CHUNK;
        }
        while first < self.states {
            self.backward_chunk::<1, ROWS, DECAY>(simd, first, state, dy, trace, out);
            first += 1;
        }
    }

    #[inline(always)]
    fn backward_chunk<const C: usize, const ROWS: bool, const DECAY: bool>(
        &self,
        simd: S,
        first: usize,
        state: &[S::f32s],
        dy: &[S::f32s],
        trace: &mut Trace<S>,
        out: &mut TileGradients<'_, S>,
    ) {
        if self.clamp {
            self.trace_chunk::<C, true>(simd, first, state, trace);
        } else {
            self.trace_chunk::<C, false>(simd, first, state, trace);
        }
        self.reverse_chunk::<C, ROWS, DECAY>(simd, first, dy, trace, out);
    }

    /// Advances `C` states over the tile, keeping every state and decay.
    #[inline(always)]
    fn trace_chunk<const C: usize, const CLAMP: bool>(
        &self,
        simd: S,
        first: usize,
        state: &[S::f32s],
        trace: &mut Trace<S>,
    ) {
        let steps = self.steps();
        let a_log2: &[S::f32s; C] = array(self.a_log2, first);
        let mut h: [S::f32s; C] = *array(state, first);
        let (hs, _) = trace.h[..(steps + 1) * C].as_chunks_mut::<C>();
        let (decays, _) = trace.decay[..steps * C].as_chunks_mut::<C>();
        hs[0] = h;
        for step in 0..steps {
            let b: &[f32; C] = array(self.rows[step], self.rank + first);
            let (dt, input) = (self.dt[step], self.input[step]);
            let (after, decay) = (&mut hs[step + 1], &mut decays[step]);
            unroll!(C, n, {
                let e = exp2_product::<S, CLAMP>(simd, dt, a_log2[n]);
                h[n] = simd.mul_add_e_f32s(e, h[n], simd.mul_f32s(input, simd.splat_f32s(b[n])));
                decay[n] = e;
                after[n] = h[n];
            });
        }
    }

    #[inline(always)]
    fn reverse_chunk<const C: usize, const ROWS: bool, const DECAY: bool>(
        &self,
        simd: S,
        first: usize,
        dy: &[S::f32s],
        trace: &Trace<S>,
        out: &mut TileGradients<'_, S>,
    ) {
        let (steps, states) = (self.steps(), self.states);
        let a_log2: &[S::f32s; C] = array(self.a_log2, first);
        let mut carry: [S::f32s; C] = *array(out.carry, first);
        let mut a: [S::f32s; C] = *array(out.a, first);
        let (hs, _) = trace.h[..(steps + 1) * C].as_chunks::<C>();
        let (decays, _) = trace.decay[..steps * C].as_chunks::<C>();
        let (by_b, by_a) = (&mut out.by_b[..steps], &mut out.by_a[..steps]);
        for step in (0..steps).rev() {
            let b: &[f32; C] = array(self.rows[step], self.rank + first);
            let c: &[f32; C] = array(self.rows[step], self.rank + states + first);
            let (dt, input, dy) = (self.dt[step], self.input[step], dy[step]);
            let (before, after, decay) = (&hs[step], &hs[step + 1], &decays[step]);
            let mut none = ([dt; C], [dt; C]);
            let (rows_b, rows_c): (&mut [S::f32s; C], &mut [S::f32s; C]) = if ROWS {
                let (b, c) = out.rows[step * 2 * states..][..2 * states].split_at_mut(states);
                let fits = "a slice of C values";
                (b[first..][..C].as_mut_array().expect(fits), c[first..][..C].as_mut_array().expect(fits))
            } else {
                (&mut none.0, &mut none.1)
            };
            let (mut sum_b, mut sum_a) = (by_b[step], by_a[step]);
            unroll!(C, n, {
                let dh = simd.mul_add_e_f32s(dy, simd.splat_f32s(c[n]), carry[n]);
                carry[n] = simd.mul_f32s(dh, decay[n]);
                let decayed = simd.mul_f32s(carry[n], before[n]);
                sum_b = simd.mul_add_e_f32s(dh, simd.splat_f32s(b[n]), sum_b);
                sum_a = simd.mul_add_e_f32s(decayed, a_log2[n], sum_a);
                if DECAY {
                    a[n] = simd.mul_add_e_f32s(decayed, dt, a[n]);
                }
                if ROWS {
                    rows_b[n] = simd.mul_add_e_f32s(dh, input, rows_b[n]);
                    rows_c[n] = simd.mul_add_e_f32s(dy, after[n], rows_c[n]);
                }
            });
            by_b[step] = sum_b;
            by_a[step] = sum_a;
        }
        out.carry[first..first + C].copy_from_slice(&carry);
        if DECAY {
            out.a[first..first + C].copy_from_slice(&a);
        }
    }
}
