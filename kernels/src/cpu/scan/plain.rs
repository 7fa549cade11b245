use super::{
    backward::{RowSums, Sequences, backward, sum_parameters},
    block::{Block, Extent, Operands},
    forward::ForwardWalk,
};
use crate::cpu::{lanes::lanes, shared::SharedSlice};
use crate::definition::{ScanError, ScanGradients, ScanInputs, ScanNeeds, ScanShape};
use pulp::{Arch, Simd, bytemuck};
use rayon::prelude::*;

/// The plain form: sequences `[B, G * D, L]`, projections `[B, G, N, L]`.
struct Plain<'a> {
    shape: ScanShape,
    inputs: ScanInputs<'a, f32>,
}

impl Plain<'_> {
    /// Index of a channel's first step in `[B, G * D, L]`.
    fn sequence(&self, block: Block, lane: usize) -> usize {
        let channel = block.group * self.shape.channels + block.channel + lane;
        (block.batch * self.shape.all_channels() + channel) * self.shape.length
    }
}

impl Operands for Plain<'_> {
    const FULL_STEP: bool = true;

    fn extent(&self) -> Extent {
        let ScanShape { batch, groups, channels, states, length } = self.shape;
        Extent { batch, groups, channels, length, states, rank: 0, delta_softplus: self.inputs.delta_softplus }
    }

    fn u(&self) -> &[f32] {
        self.inputs.u
    }

    fn delta(&self) -> &[f32] {
        self.inputs.delta
    }

    fn a(&self) -> &[f32] {
        self.inputs.a
    }

    fn skip(&self) -> Option<&[f32]> {
        self.inputs.skip
    }

    fn delta_bias(&self) -> Option<&[f32]> {
        self.inputs.delta_bias
    }

    fn dt_weight(&self) -> &[f32] {
        &[]
    }

    #[inline(always)]
    fn load_rows<'a>(&'a self, block: Block, start: usize, buffer: &'a mut [f32], rows: &mut [&'a [f32]]) {
        let ScanShape { groups, states, length, .. } = self.shape;
        let row = 2 * states;
        for n in 0..states {
            let from = ((block.batch * groups + block.group) * states + n) * length + start;
            for step in 0..rows.len() {
                buffer[step * row + n] = self.inputs.b[from + step];
                buffer[step * row + states + n] = self.inputs.c[from + step];
            }
        }
        for (to, from) in rows.iter_mut().zip(buffer.chunks_exact(row)) {
            *to = from;
        }
    }

    #[inline(always)]
    fn prefetch(&self, _: &[Block], _: std::ops::Range<usize>, _: &[*const f32]) {
        // Sequences are contiguous: the machine sees that itself.
    }

    #[inline(always)]
    fn load<S: Simd>(&self, _: S, from: &[f32], block: Block, start: usize, to: &mut [S::f32s]) {
        let to: &mut [f32] = bytemuck::cast_slice_mut(to);
        for lane in 0..block.channels {
            let steps = &from[self.sequence(block, lane) + start..];
            for (to, &value) in to[lane..].iter_mut().step_by(S::F32_LANES).zip(steps) {
                *to = value;
            }
        }
        for lane in block.channels..S::F32_LANES {
            for to in to[lane..].iter_mut().step_by(S::F32_LANES) {
                *to = 0.0;
            }
        }
    }

    #[inline(always)]
    fn store<S: Simd>(&self, _: S, block: Block, start: usize, from: &[S::f32s], to: SharedSlice<'_>, _: bool) {
        let values: &[f32] = bytemuck::cast_slice(from);
        for lane in 0..block.channels {
            // SAFETY: a block is walked by one task at a time and blocks have no channel in common.
            let steps = unsafe { to.range(self.sequence(block, lane) + start, from.len()) };
            for (to, &value) in steps.iter_mut().zip(values[lane..].iter().step_by(S::F32_LANES)) {
                *to = value;
            }
        }
    }
}

/// Plain selective scan in f32; see the crate's formula.
///
/// Returns `y [B, G * D, L]` and the last state `[B, G * D, N]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn selective_scan(shape: ScanShape, inputs: &ScanInputs<'_, f32>) -> Result<(Vec<f32>, Vec<f32>), ScanError> {
    shape.check("selective_scan", inputs)?;
    let plain = Plain { shape, inputs: *inputs };
    let arch = Arch::new();
    let lanes = lanes(arch);
    let blocks = plain.extent().blocks(lanes);
    let mut y = vec![0.0; shape.sequence_len()];
    let mut last_state = vec![0.0; shape.batch * shape.all_channels() * shape.states];
    let (y_out, state_out) = (SharedSlice::new(&mut y), SharedSlice::new(&mut last_state));
    (0..shape.batch * shape.groups * blocks).into_par_iter().for_each(|task| {
        let (row, index) = (task / blocks, task % blocks);
        let block = Block::new(&plain.extent(), lanes, row / shape.groups, row % shape.groups, index);
        let state = &arch.dispatch(ForwardWalk {
            operands: &plain,
            blocks: vec![block],
            out: y_out,
            add: false,
            checkpoints: None,
        })[0];
        for lane in 0..block.channels {
            let row = plain.sequence(block, lane) / shape.length;
            // SAFETY: one task a block, and blocks have no channel in common.
            let out = unsafe { state_out.range(row * shape.states, shape.states) };
            for (n, out) in out.iter_mut().enumerate() {
                *out = state[n * lanes + lane];
            }
        }
    });
    Ok((y, last_state))
}

/// Gradients of [`selective_scan`] for the output gradient `dy [B, G * D, L]`.
///
/// Keeps one state every [`TILE`](super::TILE) steps, never `[B, G * D, L, N]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn selective_scan_backward(
    shape: ScanShape,
    inputs: &ScanInputs<'_, f32>,
    dy: &[f32],
    needs: ScanNeeds,
) -> Result<ScanGradients<f32>, ScanError> {
    shape.check("selective_scan_backward", inputs)?;
    shape.check_grad("selective_scan_backward", dy)?;
    let plain = Plain { shape, inputs: *inputs };
    let mut du = needs.u.then(|| vec![0.0; shape.sequence_len()]);
    let mut ddelta = needs.delta.then(|| vec![0.0; shape.sequence_len()]);
    let sequences = Sequences {
        dy,
        du: du.as_deref_mut().map(SharedSlice::new),
        ddelta: ddelta.as_deref_mut().map(SharedSlice::new),
        add: false,
    };
    let wanted = needs.b || needs.c;
    let (arch, extent) = (Arch::new(), plain.extent());
    let mut rows = RowSums::new(&extent, lanes(arch), shape.groups, wanted);
    let groups: Vec<_> = (0..shape.groups).map(|group| (group, sequences)).collect();
    let blocks = &backward(arch, &plain, &groups, None, &mut rows, needs.a);

    let mut db = needs.b.then(|| vec![0.0; shape.projection_len()]);
    let mut dc = needs.c.then(|| vec![0.0; shape.projection_len()]);
    if wanted {
        let ScanShape { batch, groups, states, length, .. } = shape;
        let mut row = vec![0.0; 2 * states];
        for index in 0..batch * groups {
            for l in 0..length {
                rows.sum_row(index, l, &mut row);
                for n in 0..states {
                    let to = (index * states + n) * length + l;
                    if let Some(db) = &mut db {
                        db[to] = row[n];
                    }
                    if let Some(dc) = &mut dc {
                        dc[to] = row[states + n];
                    }
                }
            }
        }
    }
    Ok(ScanGradients {
        u: du,
        delta: ddelta,
        a: needs.a.then(|| sum_parameters(&extent, shape.states, blocks, |block| &block.a)),
        b: db,
        c: dc,
        skip: (needs.skip && inputs.skip.is_some()).then(|| sum_parameters(&extent, 1, blocks, |block| &block.skip)),
        delta_bias: (needs.delta_bias && inputs.delta_bias.is_some())
            .then(|| sum_parameters(&extent, 1, blocks, |block| &block.delta_bias)),
    })
}
