//! The reverse walk over one tile.
//!
//! States go in chunks, and `P` blocks of channels go together: their carries and gradients of `a` stay in registers, and the
//! gradients of the rows are read and written once for all `P`. What belongs to a chunk lies together, step by step, so that
//! the loops walk few arrays.

use super::{
    TILE,
    block::Extent,
    tile::{Tile, array},
};
use crate::cpu::{
    lanes::{exp2_product, load, sum_lanes},
    memory::{Aligned, Lines},
};
use pulp::Simd;

/// States that a reverse walk takes at a time.
const CHUNK: usize = 4;
/// The most blocks that a reverse walk takes together.
pub(super) const TOGETHER: usize = 2;

/// How many blocks a reverse walk takes together: as many as the registers hold.
pub(super) fn together<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { TOGETHER } else { 1 }
}

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

/// What a reverse walk adds up for one block.
pub(super) struct Sums<S: Simd> {
    /// Gradient of the state behind the steps that are still to come, `[states]`.
    pub(super) carry: Lines<S::f32s>,
    /// Gradient of `a`, `[states]`.
    pub(super) a: Lines<S::f32s>,
    pub(super) skip: S::f32s,
    pub(super) bias: S::f32s,
    /// `[rank]`
    pub(super) weight: Lines<S::f32s>,
}

impl<S: Simd> Sums<S> {
    pub(super) fn new(simd: S, extent: &Extent) -> Self {
        let zero = simd.splat_f32s(0.0);
        let (carry, a) = (Lines::zeros(extent.states), Lines::zeros(extent.states));
        Self { carry, a, skip: zero, bias: zero, weight: Lines::zeros(extent.rank) }
    }
}

/// Scratch of the backward pass: rows of the current tile and their gradients, chunk by chunk.
pub(super) struct Scratch<S: Simd> {
    /// Decay of each step and decayed state of it, of one chunk, `[TILE][P][2 C]`.
    trace: Lines<S::f32s>,
    /// `b` and `c`, `[chunk][TILE][b (C) | c (C)]`.
    rows: Vec<f32>,
    /// Their gradients lane by lane, in the same order; added to until they are taken. That of `c` lacks the part of
    /// `input`.
    gradients: Lines<S::f32s>,
    /// The part of `input` in the gradient of `c`, `sum dy * input`, lane by lane: times `b` it belongs to every state.
    input: Aligned<[S::f32s; TILE]>,
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
        Self {
            trace: Lines::zeros(TILE * TOGETHER * 2 * CHUNK),
            rows: vec![0.0; states * 2 * TILE],
            gradients: Lines::zeros(states * 2 * TILE),
            input: Aligned([simd.splat_f32s(0.0); TILE]),
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

    /// Writes the gradients of `b` and `c`, summed over the lanes, behind the first `rank` values of every row of `out`, and
    /// clears them.
    #[inline(always)]
    pub(super) fn take(&mut self, simd: S, rank: usize, states: usize, out: &mut [f32]) {
        let row = rank + 2 * states;
        let steps = out.len() / row;
        let mut input = [0.0; TILE];
        sum_lanes(simd, &mut self.input.0[..steps], &mut input);
        chunks!(states, first, C, {
            let part = first * 2 * TILE..first * 2 * TILE + steps * 2 * C;
            let mut sums = [0.0; TILE * 2 * C];
            sum_lanes(simd, &mut self.gradients[part.clone()], &mut sums);
            let sums = sums.chunks_exact(2 * C).zip(self.rows[part].chunks_exact(2 * C)).zip(&input);
            for (out, ((sums, b), input)) in out.chunks_exact_mut(row).zip(sums) {
                let out = &mut out[rank + first..];
                for n in 0..C {
                    out[n] = sums[n];
                    out[states + n] = sums[C + n] + b[n] * input;
                }
            }
        });
    }

    /// Walks the tiles of `P` blocks backwards from the states before them, `[states][lanes]` each; the sums of `steps` and `sums`
    /// are added to.
    ///
    /// `ROWS` and `DECAY` say whether the gradients of `b`, `c` and of `a` are wanted.
    #[inline(always)]
    pub(super) fn backward<const P: usize, const ROWS: bool, const DECAY: bool>(
        &mut self,
        simd: S,
        tiles: &[Tile<'_, S>; P],
        states: &[&[f32]; P],
        steps: &mut [[Step<S>; P]],
        sums: &mut [Sums<S>; P],
    ) {
        if ROWS {
            for (step, sum) in steps.iter().zip(&mut self.input.0) {
                for step in step {
                    *sum = simd.mul_add_e_f32s(step.dy, step.input, *sum);
                }
            }
        }
        let mut clamp = false;
        for tile in tiles {
            clamp |= tile.clamp;
        }
        chunks!(tiles[0].states, first, C, {
            if clamp {
                self.trace::<C, P, true>(simd, first, tiles, states, steps);
            } else {
                self.trace::<C, P, false>(simd, first, tiles, states, steps);
            }
            self.reverse::<C, P, ROWS, DECAY>(simd, first, tiles, steps, sums);
        });
    }

    /// Advances `C` states over the tiles, keeping every decay and decayed state.
    #[inline(always)]
    fn trace<const C: usize, const P: usize, const CLAMP: bool>(
        &mut self,
        simd: S,
        first: usize,
        tiles: &[Tile<'_, S>; P],
        states: &[&[f32]; P],
        steps: &[[Step<S>; P]],
    ) {
        let zero = simd.splat_f32s(0.0);
        let (mut h, mut a_log2) = ([[zero; C]; P], [[zero; C]; P]);
        unroll!(P, p, {
            a_log2[p] = *array(tiles[p].a_log2, first);
            unroll!(C, n, {
                h[p][n] = load(simd, &states[p][(first + n) * S::F32_LANES..]);
            });
        });
        let rows = &self.rows[first * 2 * TILE..][..steps.len() * 2 * C];
        let traced = self.trace.as_chunks_mut::<C>().0.as_chunks_mut::<2>().0.as_chunks_mut::<P>().0;
        for ((step, row), traced) in steps.iter().zip(rows.chunks_exact(2 * C)).zip(traced) {
            let b: &[f32; C] = array(row, 0);
            let (mut dt, mut input) = ([zero; P], [zero; P]);
            unroll!(P, p, {
                (dt[p], input[p]) = (step[p].dt, step[p].input);
            });
            unroll!(C, n, {
                let b = simd.splat_f32s(b[n]);
                unroll!(P, p, {
                    let [decays, decayed] = &mut traced[p];
                    let decay = exp2_product::<S, CLAMP>(simd, dt[p], a_log2[p][n]);
                    decays[n] = decay;
                    h[p][n] = simd.mul_f32s(decay, h[p][n]);
                    decayed[n] = h[p][n];
                    h[p][n] = simd.mul_add_e_f32s(input[p], b, h[p][n]);
                });
            });
        }
    }

    #[inline(always)]
    fn reverse<const C: usize, const P: usize, const ROWS: bool, const DECAY: bool>(
        &mut self,
        simd: S,
        first: usize,
        tiles: &[Tile<'_, S>; P],
        steps: &mut [[Step<S>; P]],
        sums: &mut [Sums<S>; P],
    ) {
        let zero = simd.splat_f32s(0.0);
        let (mut dh, mut da, mut a_log2) = ([[zero; C]; P], [[zero; C]; P], [[zero; C]; P]);
        unroll!(P, p, {
            dh[p] = *array(&sums[p].carry, first);
            da[p] = *array(&sums[p].a, first);
            a_log2[p] = *array(tiles[p].a_log2, first);
        });
        let part = first * 2 * TILE..first * 2 * TILE + steps.len() * 2 * C;
        let (rows, gradients) = (&self.rows[part.clone()], &mut self.gradients[part]);
        let traced = self.trace.as_chunks::<C>().0.as_chunks::<2>().0.as_chunks::<P>().0;
        let rows = rows.chunks_exact(2 * C).zip(gradients.as_chunks_mut::<C>().0.as_chunks_mut::<2>().0);
        for ((step, traced), (row, [gradient_b, gradient_c])) in steps.iter_mut().zip(traced).zip(rows).rev() {
            let (b, c): (&[f32; C], &[f32; C]) = (array(row, 0), array(row, C));
            // Everything is read before anything is written: the compiler cannot know that the places are apart.
            let now = *step;
            let (mut by_b, mut by_a) = ([zero; P], [zero; P]);
            unroll!(P, p, {
                (by_b[p], by_a[p]) = (now[p].by_b, now[p].by_a);
            });
            unroll!(C, n, {
                let (b, c) = (simd.splat_f32s(b[n]), simd.splat_f32s(c[n]));
                let (mut sum_b, mut sum_c) = (gradient_b[n], gradient_c[n]);
                unroll!(P, p, {
                    let [decays, decayed] = &traced[p];
                    let d = simd.mul_add_e_f32s(now[p].dy, c, dh[p][n]);
                    dh[p][n] = simd.mul_f32s(d, decays[n]);
                    let through = simd.mul_f32s(d, decayed[n]);
                    by_b[p] = simd.mul_add_e_f32s(d, b, by_b[p]);
                    by_a[p] = simd.mul_add_e_f32s(through, a_log2[p][n], by_a[p]);
                    if DECAY {
                        da[p][n] = simd.mul_add_e_f32s(through, now[p].dt, da[p][n]);
                    }
                    if ROWS {
                        sum_b = simd.mul_add_e_f32s(d, now[p].input, sum_b);
                        sum_c = simd.mul_add_e_f32s(now[p].dy, decayed[n], sum_c);
                    }
                });
                if ROWS {
                    (gradient_b[n], gradient_c[n]) = (sum_b, sum_c);
                }
            });
            unroll!(P, p, {
                (step[p].by_b, step[p].by_a) = (by_b[p], by_a[p]);
            });
        }
        unroll!(P, p, {
            sums[p].carry[first..first + C].copy_from_slice(&dh[p]);
            if DECAY {
                sums[p].a[first..first + C].copy_from_slice(&da[p]);
            }
        });
    }
}
