//! The recurrence over one tile: `steps` steps of one block of channels, everything in cache.
//!
//! Arrays of lanes are indexed `[step]`, `[state]` or `[step * states + state]`; `rows` holds one row
//! `[dt_low (R) | b (N) | c (N)]` a step.

use super::TILE;
use crate::cpu::lanes::exp2;
use pulp::Simd;

/// Sizes that a tile needs to know.
#[derive(Clone, Copy)]
pub(super) struct TileShape {
    pub(super) steps: usize,
    pub(super) rank: usize,
    pub(super) states: usize,
}

impl TileShape {
    pub(super) fn row(&self) -> usize {
        self.rank + 2 * self.states
    }
}

/// Operands of a tile.
pub(super) struct Tile<'a, S: Simd> {
    pub(super) shape: TileShape,
    /// `[steps][R + 2 N]`.
    pub(super) rows: &'a [f32],
    /// Input, `[steps]`.
    pub(super) u: &'a [S::f32s],
    /// Step after softplus, `[steps]`.
    pub(super) dt: &'a [S::f32s],
    /// `a * log2(e)`, `[states]`.
    pub(super) a_log2: &'a [S::f32s],
}

impl<S: Simd> Tile<'_, S> {
    #[inline(always)]
    fn projections(&self, step: usize) -> (&[f32], &[f32]) {
        let TileShape { rank, states, .. } = self.shape;
        let row = &self.rows[step * self.shape.row() + rank..][..2 * states];
        row.split_at(states)
    }

    /// Advances `state` over the tile; writes `sum_n c h` into `y`.
    #[inline(always)]
    pub(super) fn forward(&self, simd: S, state: &mut [S::f32s], y: &mut [S::f32s]) {
        let states = self.shape.states;
        let a_log2 = &self.a_log2[..states];
        let state = &mut state[..states];
        for step in 0..self.shape.steps {
            let (b, c) = self.projections(step);
            let dt = self.dt[step];
            let input = simd.mul_f32s(dt, self.u[step]);
            let mut sum = simd.splat_f32s(0.0);
            for n in 0..states {
                let decay = exp2(simd, simd.mul_f32s(dt, a_log2[n]));
                let h = simd.mul_add_e_f32s(decay, state[n], simd.mul_f32s(input, simd.splat_f32s(b[n])));
                state[n] = h;
                sum = simd.mul_add_e_f32s(h, simd.splat_f32s(c[n]), sum);
            }
            y[step] = sum;
        }
    }

    /// Advances `state` over the tile, keeping every state and decay in `trace`.
    #[inline(always)]
    fn trace(&self, simd: S, state: &[S::f32s], trace: &mut Trace<S>) {
        let states = self.shape.states;
        let (before, after) = trace.h.split_at_mut(states);
        before.copy_from_slice(&state[..states]);
        let mut previous: &mut [S::f32s] = before;
        let mut rest: &mut [S::f32s] = after;
        for step in 0..self.shape.steps {
            let (b, _) = self.projections(step);
            let dt = self.dt[step];
            let input = simd.mul_f32s(dt, self.u[step]);
            let (current, tail) = rest.split_at_mut(states);
            let decays = &mut trace.decay[step * states..][..states];
            for n in 0..states {
                let decay = exp2(simd, simd.mul_f32s(dt, self.a_log2[n]));
                decays[n] = decay;
                current[n] = simd.mul_add_e_f32s(decay, previous[n], simd.mul_f32s(input, simd.splat_f32s(b[n])));
            }
            previous = current;
            rest = tail;
        }
    }

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
        let TileShape { steps, rank, states } = self.shape;
        self.trace(simd, state, trace);
        for step in (0..steps).rev() {
            let (b, c) = self.projections(step);
            let (dt, u, dy) = (self.dt[step], self.u[step], dy[step]);
            let input = simd.mul_f32s(dt, u);
            let before = &trace.h[step * states..][..states];
            let after = &trace.h[(step + 1) * states..][..states];
            let decays = &trace.decay[step * states..][..states];
            let carry = &mut out.carry[..states];
            let (rows_b, rows_c) = if ROWS {
                out.rows[step * self.shape.row() + rank..][..2 * states].split_at_mut(states)
            } else {
                (&mut [][..], &mut [][..])
            };
            // sums over the states of dh * b and of dh * decay * h_before * a (by log2 e)
            let mut by_b = simd.splat_f32s(0.0);
            let mut by_a = simd.splat_f32s(0.0);
            for n in 0..states {
                let dh = simd.mul_add_e_f32s(dy, simd.splat_f32s(c[n]), carry[n]);
                let next = simd.mul_f32s(dh, decays[n]);
                let decayed = simd.mul_f32s(next, before[n]);
                by_b = simd.mul_add_e_f32s(dh, simd.splat_f32s(b[n]), by_b);
                by_a = simd.mul_add_e_f32s(decayed, self.a_log2[n], by_a);
                if DECAY {
                    out.a[n] = simd.mul_add_e_f32s(decayed, dt, out.a[n]);
                }
                if ROWS {
                    rows_b[n] = simd.mul_add_e_f32s(dh, input, rows_b[n]);
                    rows_c[n] = simd.mul_add_e_f32s(dy, after[n], rows_c[n]);
                }
                carry[n] = next;
            }
            out.u[step] = simd.mul_f32s(by_b, dt);
            out.dt[step] = simd.mul_add_e_f32s(by_a, simd.splat_f32s(std::f32::consts::LN_2), simd.mul_f32s(by_b, u));
        }
    }
}

/// Scratch of the backward pass.
pub(super) struct Trace<S: Simd> {
    /// States before the tile and after each step, `[TILE + 1][states]`.
    h: Vec<S::f32s>,
    /// Decays of each step, `[TILE][states]`.
    decay: Vec<S::f32s>,
}

impl<S: Simd> Trace<S> {
    pub(super) fn new(simd: S, states: usize) -> Self {
        let zero = simd.splat_f32s(0.0);
        Self { h: vec![zero; (TILE + 1) * states], decay: vec![zero; TILE * states] }
    }
}

/// Where a tile's backward pass puts its results.
pub(super) struct TileGradients<'a, S: Simd> {
    /// In: gradient of the state after the tile; out: of the state before it, `[states]`.
    pub(super) carry: &'a mut [S::f32s],
    /// Set: gradient of `u` through the state, `[steps]`.
    pub(super) u: &'a mut [S::f32s],
    /// Set: gradient of `dt`, `[steps]`.
    pub(super) dt: &'a mut [S::f32s],
    /// Added to: gradient of `a`, `[states]`.
    pub(super) a: &'a mut [S::f32s],
    /// Added to, lane by lane: gradients of `b` and `c` inside their rows, `[steps][R + 2 N]`.
    pub(super) rows: &'a mut [S::f32s],
}
