use super::{
    backward::{GroupGradients, backward, sum_parameters},
    block::{Block, Extent, Operands, Sink, lanes},
    forward::ForwardWalk,
};
use crate::cpu::shared::SharedSlice;
use crate::definition::{Directions, OmniGradients, OmniInputs, OmniNeeds, OmniShape, ScanError};
use pulp::Arch;
use rayon::prelude::*;

/// The omnidirectional form: channel-last maps, one group a direction, visited along its path.
struct Omni<'a> {
    shape: OmniShape,
    inputs: OmniInputs<'a, f32>,
    /// Pixels in visiting order, one path a direction.
    paths: Vec<Vec<u32>>,
}

impl<'a> Omni<'a> {
    fn new(shape: OmniShape, inputs: OmniInputs<'a, f32>) -> Self {
        let path = |&order: &usize| Directions::path(order, shape.height, shape.width);
        Self { shape, inputs, paths: shape.directions.orders().iter().map(path).collect() }
    }

    /// Pixels of a map, in the order in which a direction visits them, from `start` on.
    fn pixels(&self, batch: usize, direction: usize, start: usize) -> impl Iterator<Item = usize> {
        let first = batch * self.shape.pixels();
        self.paths[direction][start..].iter().map(move |&pixel| first + pixel as usize)
    }

    /// Copies a block's pixels from `[B, H, W, D]` into lanes.
    fn load_lanes(&self, from: &[f32], block: Block, start: usize, lanes: usize, to: &mut [f32]) {
        for (to, pixel) in to.chunks_exact_mut(lanes).zip(self.pixels(block.batch, block.group, start)) {
            let channels = &from[pixel * self.shape.channels + block.channel..][..block.channels];
            to[..block.channels].copy_from_slice(channels);
            to[block.channels..].fill(0.0);
        }
    }

    /// Adds a block's lanes to its pixels of `[B, H, W, D]`.
    fn add_lanes(&self, from: &[f32], block: Block, start: usize, lanes: usize, to: SharedSlice<'_>) {
        for (from, pixel) in from.chunks_exact(lanes).zip(self.pixels(block.batch, block.group, start)) {
            // SAFETY: one task at a time works on a block's columns, and blocks have no channel in common.
            let channels = unsafe { to.range(pixel * self.shape.channels + block.channel, block.channels) };
            for (to, value) in channels.iter_mut().zip(from) {
                *to += value;
            }
        }
    }
}

impl Operands for Omni<'_> {
    fn extent(&self) -> Extent {
        let OmniShape { batch, channels, states, rank, directions, .. } = self.shape;
        let (groups, length, delta_softplus) = (directions.count(), self.shape.pixels(), self.inputs.delta_softplus);
        Extent { batch, groups, channels, length, states, rank, delta_softplus }
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
        self.inputs.dt_weight
    }

    fn load_rows(&self, batch: usize, group: usize, start: usize, rows: &mut [f32]) {
        let (row, directions) = (self.shape.row(), self.shape.directions.count());
        for (to, pixel) in rows.chunks_exact_mut(row).zip(self.pixels(batch, group, start)) {
            to.copy_from_slice(&self.inputs.projection[(pixel * directions + group) * row..][..row]);
        }
    }

    fn load(&self, block: Block, start: usize, lanes: usize, u: &mut [f32], delta: &mut [f32]) {
        self.load_lanes(self.inputs.u, block, start, lanes, u);
        delta.fill(0.0);
    }
}

/// Omnidirectional selective scan in f32, in place on the map: no expanded copy, no full-rank step.
///
/// Returns `y [B, H, W, D]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn omni_selective_scan(shape: OmniShape, inputs: &OmniInputs<'_, f32>) -> Result<Vec<f32>, ScanError> {
    shape.check("omni_selective_scan", inputs)?;
    let omni = Omni::new(shape, *inputs);
    let (arch, lanes) = (Arch::new(), lanes());
    let blocks = omni.extent().blocks(lanes);
    let mut y = vec![0.0; shape.map_len()];
    let out = SharedSlice::new(&mut y);
    (0..shape.batch * blocks).into_par_iter().for_each(|task| {
        // One task walks all directions of a block, so that the sum at a pixel has one owner and one order.
        for group in 0..shape.directions.count() {
            let block = Block::new(&omni.extent(), lanes, task / blocks, group, task % blocks);
            let emit = |start: usize, lanes: usize, y: &[f32]| omni.add_lanes(y, block, start, lanes, out);
            arch.dispatch(ForwardWalk { operands: &omni, block, emit });
        }
    });
    Ok(y)
}

/// The output gradient and the place for the gradient of `u`.
struct OmniSink<'a> {
    omni: &'a Omni<'a>,
    dy: &'a [f32],
    du: Option<SharedSlice<'a>>,
}

impl Sink for OmniSink<'_> {
    fn load_dy(&self, block: Block, start: usize, lanes: usize, dy: &mut [f32]) {
        self.omni.load_lanes(self.dy, block, start, lanes, dy);
    }

    fn store(&self, block: Block, start: usize, lanes: usize, du: &[f32], _ddelta: &[f32]) {
        if let Some(out) = self.du {
            self.omni.add_lanes(du, block, start, lanes, out);
        }
    }
}

/// Gradients of [`omni_selective_scan`] for the output gradient `dy [B, H, W, D]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn omni_selective_scan_backward(
    shape: OmniShape,
    inputs: &OmniInputs<'_, f32>,
    dy: &[f32],
    needs: OmniNeeds,
) -> Result<OmniGradients<f32>, ScanError> {
    shape.check("omni_selective_scan_backward", inputs)?;
    shape.check_grad("omni_selective_scan_backward", dy)?;
    let omni = Omni::new(shape, *inputs);
    let mut du = needs.u.then(|| vec![0.0; shape.map_len()]);
    let mut dprojection = needs.projection.then(|| vec![0.0; inputs.projection.len()]);
    let sink = OmniSink { omni: &omni, dy, du: du.as_deref_mut().map(SharedSlice::new) };
    let mut blocks = Vec::new();
    // Directions meet at every pixel of `du`: one after the other keeps the order of the additions fixed.
    for direction in 0..shape.directions.count() {
        let gradients = backward(&omni, &sink, direction..direction + 1, needs.projection, needs.a);
        if let Some(out) = &mut dprojection {
            store_rows(&omni, direction, &gradients, SharedSlice::new(out));
        }
        blocks.extend(gradients.blocks);
    }
    let (extent, blocks) = (omni.extent(), &blocks);
    Ok(OmniGradients {
        u: du,
        projection: dprojection,
        dt_weight: needs.dt_weight.then(|| sum_parameters(&extent, shape.rank, blocks, |block| &block.dt_weight)),
        a: needs.a.then(|| sum_parameters(&extent, shape.states, blocks, |block| &block.a)),
        skip: (needs.skip && inputs.skip.is_some()).then(|| sum_parameters(&extent, 1, blocks, |block| &block.skip)),
        delta_bias: (needs.delta_bias && inputs.delta_bias.is_some())
            .then(|| sum_parameters(&extent, 1, blocks, |block| &block.delta_bias)),
    })
}

/// Puts the row gradients of one direction at their pixels.
fn store_rows(omni: &Omni<'_>, direction: usize, gradients: &GroupGradients, out: SharedSlice<'_>) {
    let (row, directions) = (omni.shape.row(), omni.shape.directions.count());
    (0..omni.shape.batch).into_par_iter().for_each(|batch| {
        let mut pixels = omni.pixels(batch, direction, 0);
        gradients.for_each_row(batch, row, |_, values| {
            let pixel = pixels.next().expect("one row a pixel");
            // SAFETY: a direction visits each pixel of a map once, and maps are apart.
            unsafe { out.range((pixel * directions + direction) * row, row) }.copy_from_slice(values);
        });
    });
}
