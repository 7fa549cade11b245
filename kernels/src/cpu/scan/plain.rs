use super::{
    backward::{backward, sum_parameters},
    block::{Block, Extent, Operands, Sink, lanes},
    forward::ForwardWalk,
};
use crate::cpu::shared::SharedSlice;
use crate::definition::{ScanError, ScanGradients, ScanInputs, ScanNeeds, ScanShape};
use pulp::Arch;
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

    /// Copies a block's steps from `[B, G * D, L]` into lanes.
    fn load_lanes(&self, from: &[f32], block: Block, start: usize, lanes: usize, to: &mut [f32]) {
        for lane in 0..block.channels {
            let steps = &from[self.sequence(block, lane) + start..];
            for (to, &value) in to[lane..].iter_mut().step_by(lanes).zip(steps) {
                *to = value;
            }
        }
        for lane in block.channels..lanes {
            for to in to[lane..].iter_mut().step_by(lanes) {
                *to = 0.0;
            }
        }
    }

    /// Copies a block's lanes into its steps of `[B, G * D, L]`.
    fn store_lanes(&self, from: &[f32], block: Block, start: usize, lanes: usize, to: SharedSlice<'_>) {
        for lane in 0..block.channels {
            // SAFETY: a block is walked by one task at a time and blocks have no channel in common.
            let steps = unsafe { to.range(self.sequence(block, lane) + start, from.len() / lanes) };
            for (to, &value) in steps.iter_mut().zip(from[lane..].iter().step_by(lanes)) {
                *to = value;
            }
        }
    }
}

impl Operands for Plain<'_> {
    fn extent(&self) -> Extent {
        let ScanShape { batch, groups, channels, states, length } = self.shape;
        Extent { batch, groups, channels, length, states, rank: 0, delta_softplus: self.inputs.delta_softplus }
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

    fn load_rows(&self, batch: usize, group: usize, start: usize, rows: &mut [f32]) {
        let ScanShape { groups, states, length, .. } = self.shape;
        for n in 0..states {
            let from = ((batch * groups + group) * states + n) * length + start;
            for (step, row) in rows.chunks_exact_mut(2 * states).enumerate() {
                row[n] = self.inputs.b[from + step];
                row[states + n] = self.inputs.c[from + step];
            }
        }
    }

    fn load(&self, block: Block, start: usize, lanes: usize, u: &mut [f32], delta: &mut [f32]) {
        self.load_lanes(self.inputs.u, block, start, lanes, u);
        self.load_lanes(self.inputs.delta, block, start, lanes, delta);
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
    let (arch, lanes) = (Arch::new(), lanes());
    let blocks = plain.extent().blocks(lanes);
    let mut y = vec![0.0; shape.sequence_len()];
    let mut last_state = vec![0.0; shape.batch * shape.all_channels() * shape.states];
    let (y_out, state_out) = (SharedSlice::new(&mut y), SharedSlice::new(&mut last_state));
    (0..shape.batch * shape.groups * blocks).into_par_iter().for_each(|task| {
        let (row, index) = (task / blocks, task % blocks);
        let block = Block::new(&plain.extent(), lanes, row / shape.groups, row % shape.groups, index);
        let emit = |start: usize, lanes: usize, y: &[f32]| plain.store_lanes(y, block, start, lanes, y_out);
        let state = arch.dispatch(ForwardWalk { operands: &plain, block, emit });
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

/// The output gradient and the places for the gradients of `u` and `delta`.
struct PlainSink<'a> {
    plain: &'a Plain<'a>,
    dy: &'a [f32],
    du: Option<SharedSlice<'a>>,
    ddelta: Option<SharedSlice<'a>>,
}

impl Sink for PlainSink<'_> {
    fn load_dy(&self, block: Block, start: usize, lanes: usize, dy: &mut [f32]) {
        self.plain.load_lanes(self.dy, block, start, lanes, dy);
    }

    fn store(&self, block: Block, start: usize, lanes: usize, du: &[f32], ddelta: &[f32]) {
        if let Some(out) = self.du {
            self.plain.store_lanes(du, block, start, lanes, out);
        }
        if let Some(out) = self.ddelta {
            self.plain.store_lanes(ddelta, block, start, lanes, out);
        }
    }
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
    let sink = PlainSink {
        plain: &plain,
        dy,
        du: du.as_deref_mut().map(SharedSlice::new),
        ddelta: ddelta.as_deref_mut().map(SharedSlice::new),
    };
    let rows = needs.b || needs.c;
    let gradients = backward(&plain, &sink, 0..shape.groups, rows, needs.a);

    let mut db = needs.b.then(|| vec![0.0; shape.projection_len()]);
    let mut dc = needs.c.then(|| vec![0.0; shape.projection_len()]);
    if rows {
        let ScanShape { batch, groups, states, length, .. } = shape;
        for index in 0..batch * groups {
            gradients.for_each_row(index, 2 * states, |l, row| {
                for n in 0..states {
                    let to = (index * states + n) * length + l;
                    if let Some(db) = &mut db {
                        db[to] = row[n];
                    }
                    if let Some(dc) = &mut dc {
                        dc[to] = row[states + n];
                    }
                }
            });
        }
    }
    let (extent, blocks) = (plain.extent(), &gradients.blocks);
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
