//! The reverse walk over one tile.
//!
//! States go in chunks: their carries and gradients of `a` stay in registers. What belongs to a chunk lies together, step by
//! step (`[chunk][TILE][2 C]`), so that the loops walk few arrays.

use super::{
    TILE,
    tile::{Tile, array},
};
use crate::cpu::lanes::{exp2_product, sum_lanes};
use pulp::Simd;

/// States that a reverse walk takes at a time.
const CHUNK: usize = 8;

/// One step of a block of channels on the way back.
#[derive(Clone, Copy)]
pub(super) struct Step<S: Simd> {
    /// Step after softplus.
    pub(super) dt: S::f32s,
    /// `dt * u`.
    pub(super) input: S::f32s,
    /// Gradient of the output.
    pub(super) dy: S::f32s,
    /// Sum over the states of `dh * b`.
    pub(super) by_b: S::f32s,
    /// Sum over the states of `dh * decay * h_before * a * log2(e)`.
    pub(super) by_a: S::f32s,
}

/// Scratch of the backward pass: rows of the current tile and their gradients, chunk by chunk.
pub(super) struct Scratch<S: Simd> {
    /// State before each step and decay of it, of one chunk, `[TILE + 1][2 C]`.
    trace: Vec<S::f32s>,
    /// `b` and `c`, `[chunk][TILE][b (C) | c (C)]`.
    rows: Vec<f32>,
    /// Their gradients lane by lane, in the same order; added to until they are taken.
    gradients: Vec<S::f32s>,
}

/// Calls `$body` with the first state and the size of every chunk.
macro_rules! chunks {
    ($states:expr, $first:ident, $size:ident, $body:block) => {
        let mut $first = 0;
        while $first + CHUNK <= $states {
            const $size: usize = CHUNK;
            $body
            $first += CHUNK;
        }
        while $first < $states {
            const $size: usize = 1;
            $body
            $first += 1;
        }
    };
}

impl<S: Simd> Scratch<S> {
    pub(super) fn new(simd: S, states: usize) -> Self {
        let zero = simd.splat_f32s(0.0);
        Self {
            trace: vec![zero; (TILE + 1) * 2 * CHUNK],
            rows: vec![0.0; states * 2 * TILE],
            gradients: vec![zero; states * 2 * TILE],
        }
    }

    /// Takes over the rows `[dt_low | b | c]` of a tile.
    #[inline(always)]
    pub(super) fn load(&mut self, rows: &[&[f32]], rank: usize, states: usize) {
        chunks!(states, first, C, {
            let to = &mut self.rows[first * 2 * TILE..][..rows.len() * 2 * C];
            for (to, row) in to.chunks_exact_mut(2 * C).zip(rows) {
                to[..C].copy_from_slice(&row[rank + first..][..C]);
                to[C..].copy_from_slice(&row[rank + states + first..][..C]);
            }
        });
    }

    /// Writes the gradients of `b` and `c` of a step into `out [2 N]`, summed over the lanes, and clears them.
    #[inline(always)]
    pub(super) fn take(&mut self, simd: S, step: usize, states: usize, out: &mut [f32]) {
        chunks!(states, first, C, {
            let mut sums = [0.0; 2 * C];
            sum_lanes(simd, &mut self.gradients[first * 2 * TILE + step * 2 * C..][..2 * C], &mut sums);
            out[first..][..C].copy_from_slice(&sums[..C]);
            out[states + first..][..C].copy_from_slice(&sums[C..]);
        });
    }
}

impl<S: Simd> Tile<'_, S> {
    /// Walks the tile backwards from the state before it; sums over states are added to.
    ///
    /// `carry [states]` is the gradient of the state after the tile and becomes that of the state before it; `a [states]` is
    /// the gradient of `a`. `ROWS` and `DECAY` say whether the gradients of `b`, `c` and of `a` are wanted.
    #[inline(always)]
    pub(super) fn backward<const ROWS: bool, const DECAY: bool>(
        &self,
        simd: S,
        state: &[S::f32s],
        steps: &mut [Step<S>],
        scratch: &mut Scratch<S>,
        carry: &mut [S::f32s],
        a: &mut [S::f32s],
    ) {
        chunks!(self.states, first, C, {
            if self.clamp {
                self.trace_chunk::<C, true>(simd, first, state, steps, scratch);
            } else {
                self.trace_chunk::<C, false>(simd, first, state, steps, scratch);
            }
            self.reverse_chunk::<C, ROWS, DECAY>(simd, first, steps, scratch, &mut carry[first..], &mut a[first..]);
        });
    }

    /// Advances `C` states over the tile, keeping every state and decay.
    #[inline(always)]
    fn trace_chunk<const C: usize, const CLAMP: bool>(
        &self,
        simd: S,
        first: usize,
        state: &[S::f32s],
        steps: &[Step<S>],
        scratch: &mut Scratch<S>,
    ) {
        let a_log2: &[S::f32s; C] = array(self.a_log2, first);
        let mut h: [S::f32s; C] = *array(state, first);
        let rows = &scratch.rows[first * 2 * TILE..][..steps.len() * 2 * C];
        let (traced, _) = scratch.trace.as_chunks_mut::<C>();
        let (traced, _) = traced.as_chunks_mut::<2>();
        for ((step, row), [before, decay]) in steps.iter().zip(rows.chunks_exact(2 * C)).zip(traced.iter_mut()) {
            let b: &[f32; C] = array(row, 0);
            *before = h;
            unroll!(C, n, {
                let e = exp2_product::<S, CLAMP>(simd, step.dt, a_log2[n]);
                h[n] = simd.mul_add_e_f32s(e, h[n], simd.mul_f32s(step.input, simd.splat_f32s(b[n])));
                decay[n] = e;
            });
        }
        traced[steps.len()][0] = h;
    }

    #[inline(always)]
    fn reverse_chunk<const C: usize, const ROWS: bool, const DECAY: bool>(
        &self,
        simd: S,
        first: usize,
        steps: &mut [Step<S>],
        scratch: &mut Scratch<S>,
        carry: &mut [S::f32s],
        a: &mut [S::f32s],
    ) {
        let a_log2: &[S::f32s; C] = array(self.a_log2, first);
        let mut dh: [S::f32s; C] = *array(carry, 0);
        let mut da: [S::f32s; C] = *array(a, 0);
        let part = first * 2 * TILE..first * 2 * TILE + steps.len() * 2 * C;
        let (rows, gradients) = (&scratch.rows[part.clone()], &mut scratch.gradients[part]);
        let (traced, _) = scratch.trace.as_chunks::<C>();
        let (traced, _) = traced.as_chunks::<2>();
        let mut after = &traced[steps.len()][0];
        let rows = rows.chunks_exact(2 * C).zip(gradients.chunks_exact_mut(2 * C));
        for ((step, [before, decay]), (row, gradient)) in steps.iter_mut().zip(traced).zip(rows).rev() {
            let (b, c): (&[f32; C], &[f32; C]) = (array(row, 0), array(row, C));
            let (mut sum_b, mut sum_a) = (step.by_b, step.by_a);
            unroll!(C, n, {
                let d = simd.mul_add_e_f32s(step.dy, simd.splat_f32s(c[n]), dh[n]);
                dh[n] = simd.mul_f32s(d, decay[n]);
                let decayed = simd.mul_f32s(dh[n], before[n]);
                sum_b = simd.mul_add_e_f32s(d, simd.splat_f32s(b[n]), sum_b);
                sum_a = simd.mul_add_e_f32s(decayed, a_log2[n], sum_a);
                if DECAY {
                    da[n] = simd.mul_add_e_f32s(decayed, step.dt, da[n]);
                }
                if ROWS {
                    gradient[n] = simd.mul_add_e_f32s(d, step.input, gradient[n]);
                    gradient[C + n] = simd.mul_add_e_f32s(step.dy, after[n], gradient[C + n]);
                }
            });
            (step.by_b, step.by_a) = (sum_b, sum_a);
            after = before;
        }
        carry[..C].copy_from_slice(&dh);
        if DECAY {
            a[..C].copy_from_slice(&da);
        }
    }
}
