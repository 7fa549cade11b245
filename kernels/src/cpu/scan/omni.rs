use super::{
    backward::{RowSums, Sequences, backward, segments, sum_parameters},
    block::{Block, Extent, Operands},
    checkpoints::{Checkpoints, Recorder},
    forward::ForwardWalk,
    parts,
};
use crate::cpu::{
    lanes::{lanes, load},
    memory::room,
    shared::SharedSlice,
};
use crate::definition::{Directions, OmniGradients, OmniInputs, OmniNeeds, OmniShape, ScanError};
use pulp::{Arch, Simd, bytemuck};
use rayon::prelude::*;
use std::ops::Range;

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

    /// Pixels of all maps, in the order in which a block's direction visits them, from `start` on.
    fn pixels(&self, block: Block, start: usize) -> impl Iterator<Item = usize> {
        let first = block.batch * self.shape.pixels();
        self.paths[block.group][start..].iter().map(move |&pixel| first + pixel as usize)
    }
}

impl Operands for Omni<'_> {
    const FULL_STEP: bool = false;

    fn extent(&self) -> Extent {
        let OmniShape { batch, channels, states, rank, directions, .. } = self.shape;
        let (groups, length, delta_softplus) = (directions.count(), self.shape.pixels(), self.inputs.delta_softplus);
        Extent { batch, groups, channels, length, states, rank, delta_softplus }
    }

    fn u(&self) -> &[f32] {
        self.inputs.u
    }

    fn delta(&self) -> &[f32] {
        &[]
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

    #[inline(always)]
    fn load_rows<'a>(&'a self, block: Block, start: usize, _: &'a mut [f32], rows: &mut [&'a [f32]]) {
        let (row, directions) = (self.shape.row(), self.shape.directions.count());
        for (to, pixel) in rows.iter_mut().zip(self.pixels(block, start)) {
            *to = &self.inputs.projection[(pixel * directions + block.group) * row..][..row];
        }
    }

    #[inline(always)]
    fn prefetch(&self, blocks: &[Block], steps: Range<usize>, slices: &[*const f32]) {
        let (row, directions) = (self.shape.row(), self.shape.directions.count());
        let (first, last) = (blocks[0], blocks[blocks.len() - 1]);
        let channels = last.channel + last.channels - first.channel;
        for pixel in self.pixels(first, steps.start).take(steps.len()) {
            let projection = self.inputs.projection.as_ptr();
            prefetch(projection.wrapping_add((pixel * directions + first.group) * row), row);
            for slice in slices {
                prefetch(slice.wrapping_add(pixel * self.shape.channels + first.channel), channels);
            }
        }
    }

    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, from: &[f32], block: Block, start: usize, to: &mut [S::f32s]) {
        let full = block.channels == S::F32_LANES;
        for (to, pixel) in to.iter_mut().zip(self.pixels(block, start)) {
            let channels = &from[pixel * self.shape.channels + block.channel..][..block.channels];
            *to = if full { load(simd, channels) } else { simd.partial_load_f32s(channels) };
        }
    }

    #[inline(always)]
    fn store<S: Simd>(&self, simd: S, block: Block, start: usize, from: &[S::f32s], to: SharedSlice<'_>, add: bool) {
        // Several pixels at a time, all read before the first is written: pixels of a column often lie a multiple of
        // 4 KiB apart, and there a load waits for the store before it as if both meant the same address.
        const TOGETHER: usize = 8;
        if !add {
            let values: &[f32] = bytemuck::cast_slice(from);
            for (values, pixel) in values.chunks_exact(S::F32_LANES).zip(self.pixels(block, start)) {
                // SAFETY: one task at a time works on a block's columns of a map, and blocks have no channel in common.
                unsafe { to.write(pixel * self.shape.channels + block.channel, &values[..block.channels]) };
            }
            return;
        }
        let full = block.channels == S::F32_LANES;
        let mut pixels = [0; TOGETHER];
        let mut sums = [simd.splat_f32s(0.0); TOGETHER];
        let mut path = self.pixels(block, start);
        for from in from.chunks(TOGETHER) {
            for i in 0..from.len() {
                pixels[i] = path.next().expect("a pixel a step") * self.shape.channels + block.channel;
                // SAFETY: as above, and an earlier direction of the part has written the whole map.
                let channels = unsafe { to.range(pixels[i], block.channels) };
                let sum = if full { load(simd, channels) } else { simd.partial_load_f32s(channels) };
                sums[i] = simd.add_f32s(sum, from[i]);
            }
            for i in 0..from.len() {
                // SAFETY: as above.
                let channels = unsafe { to.range(pixels[i], block.channels) };
                if full {
                    channels.copy_from_slice(bytemuck::cast_slice(&sums[i..=i]));
                } else {
                    simd.partial_store_f32s(channels, sums[i]);
                }
            }
        }
    }
}

/// Values of a cache line.
const LINE: usize = 16;

/// Asks the machine to bring some values into its second-level cache, where it can be asked: pixels of a column often share
/// one set of the first level, which a tile of them would overflow.
#[inline(always)]
fn prefetch(values: *const f32, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..len).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(values.wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, len, LINE);
}

/// Omnidirectional selective scan in f32, in place on the map: no expanded copy, no full-rank step.
///
/// Returns `y [B, H, W, D]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn omni_selective_scan(shape: OmniShape, inputs: &OmniInputs<'_, f32>) -> Result<Vec<f32>, ScanError> {
    forward(Arch::new(), shape, inputs)
}

/// [`omni_selective_scan`] that also returns what shortens [`omni_selective_scan_backward_from`] by a fifth: half a map a
/// direction for 16 states.
///
/// # Errors
///
/// As [`omni_selective_scan`].
pub fn omni_selective_scan_recorded(
    shape: OmniShape,
    inputs: &OmniInputs<'_, f32>,
) -> Result<(Vec<f32>, Checkpoints), ScanError> {
    shape.check("omni_selective_scan", inputs)?;
    let (arch, omni) = (Arch::new(), Omni::new(shape, *inputs));
    let mut y = Vec::new();
    let checkpoints =
        Checkpoints::record(&omni.extent(), lanes(arch), |recorder| y = walk(arch, &omni, Some(recorder)));
    Ok((y, checkpoints))
}

/// The forward pass on a given instruction set.
pub(super) fn forward(arch: Arch, shape: OmniShape, inputs: &OmniInputs<'_, f32>) -> Result<Vec<f32>, ScanError> {
    shape.check("omni_selective_scan", inputs)?;
    Ok(walk(arch, &Omni::new(shape, *inputs), None))
}

fn walk(arch: Arch, omni: &Omni<'_>, checkpoints: Option<&Recorder<'_>>) -> Vec<f32> {
    let shape = omni.shape;
    let (extent, lanes) = (omni.extent(), lanes(arch));
    let (tasks, directions) = (extent.channels.div_ceil(parts::WIDTH), shape.directions.count());
    let parts = parts::parts(directions, shape.batch * tasks);
    let mut maps = parts::maps(parts, shape.map_len());
    let outputs = parts::outputs(&mut maps);
    let per_task = parts::WIDTH / lanes;
    (0..shape.batch * tasks * parts).into_par_iter().for_each(|task| {
        let (task, part) = (task / parts, task % parts);
        let range = task % tasks * per_task..extent.blocks(lanes).min((task % tasks + 1) * per_task);
        // One task walks all directions of its part, so that the sum at a pixel has one owner and one order.
        for group in part * directions / parts..(part + 1) * directions / parts {
            let block = |index| Block::new(&extent, lanes, task / tasks, group, index);
            let blocks = range.clone().map(block).collect();
            let add = group > part * directions / parts;
            arch.dispatch(ForwardWalk { operands: omni, blocks, out: outputs[part], add, checkpoints });
        }
    });
    // SAFETY: the first direction of every part has written all pixels and channels.
    unsafe { parts::sum(maps, shape.map_len()) }
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
    backward_of(Arch::new(), shape, inputs, None, dy, needs)
}

/// [`omni_selective_scan_backward`] from what [`omni_selective_scan_recorded`] left.
///
/// # Errors
///
/// As [`omni_selective_scan_backward`].
///
/// # Panics
///
/// When `checkpoints` are those of other sizes.
pub fn omni_selective_scan_backward_from(
    shape: OmniShape,
    inputs: &OmniInputs<'_, f32>,
    checkpoints: &Checkpoints,
    dy: &[f32],
    needs: OmniNeeds,
) -> Result<OmniGradients<f32>, ScanError> {
    backward_of(Arch::new(), shape, inputs, Some(checkpoints), dy, needs)
}

/// The backward pass on a given instruction set.
pub(super) fn backward_of(
    arch: Arch,
    shape: OmniShape,
    inputs: &OmniInputs<'_, f32>,
    checkpoints: Option<&Checkpoints>,
    dy: &[f32],
    needs: OmniNeeds,
) -> Result<OmniGradients<f32>, ScanError> {
    shape.check("omni_selective_scan_backward", inputs)?;
    shape.check_grad("omni_selective_scan_backward", dy)?;
    let omni = Omni::new(shape, *inputs);
    let extent = omni.extent();
    let directions = shape.directions.count();
    let (segments, _) = segments(&extent, lanes(arch));
    let parts = parts::parts(directions, shape.batch * segments);
    let mut maps = parts::maps(if needs.u { parts } else { 0 }, shape.map_len());
    let outputs = parts::outputs(&mut maps);
    let mut dprojection = needs.projection.then(|| room(inputs.projection.len()));
    let mut rows = RowSums::new(&extent, lanes(arch), parts, needs.projection);
    let mut blocks = Vec::new();
    // Every part works on one of its directions at a time, which keeps the order of the additions at a pixel.
    for round in 0..directions / parts {
        let group = |part: usize| {
            let sequences = Sequences { dy, du: outputs.get(part).copied(), ddelta: None, add: round > 0 };
            (part * directions / parts + round, sequences)
        };
        let groups: Vec<_> = (0..parts).map(group).collect();
        blocks.extend(backward(arch, &omni, &groups, checkpoints, &mut rows, needs.a));
        if let Some(out) = &mut dprojection {
            store_rows(&omni, &groups, &rows, SharedSlice::of_capacity(out));
        }
    }
    if let Some(out) = &mut dprojection {
        // SAFETY: every direction has stored the rows of all pixels.
        unsafe { out.set_len(inputs.projection.len()) };
    }
    let blocks = &blocks;
    Ok(OmniGradients {
        // SAFETY: the first direction of every part has written all pixels and channels.
        u: needs.u.then(|| unsafe { parts::sum(maps, shape.map_len()) }),
        projection: dprojection,
        dt_weight: needs.dt_weight.then(|| sum_parameters(&extent, shape.rank, blocks, |block| &block.dt_weight)),
        a: needs.a.then(|| sum_parameters(&extent, shape.states, blocks, |block| &block.a)),
        skip: (needs.skip && inputs.skip.is_some()).then(|| sum_parameters(&extent, 1, blocks, |block| &block.skip)),
        delta_bias: (needs.delta_bias && inputs.delta_bias.is_some())
            .then(|| sum_parameters(&extent, 1, blocks, |block| &block.delta_bias)),
    })
}

/// Puts the row gradients of some directions at their pixels.
fn store_rows(omni: &Omni<'_>, groups: &[(usize, Sequences<'_>)], rows: &RowSums, out: SharedSlice<'_>) {
    const CHUNK: usize = 256;
    let (row, directions, length) = (omni.shape.row(), omni.shape.directions.count(), omni.shape.pixels());
    let chunks = length.div_ceil(CHUNK);
    (0..omni.shape.batch * groups.len() * chunks).into_par_iter().for_each(|task| {
        let (index, start) = (task / chunks, task % chunks * CHUNK);
        let (batch, group) = (index / groups.len(), groups[index % groups.len()].0);
        let block = Block { batch, group, channel: 0, channels: 0, lanes: 1 };
        let mut sum = vec![0.0; row];
        for (position, pixel) in (start..length.min(start + CHUNK)).zip(omni.pixels(block, start)) {
            rows.sum_row(index, position, &mut sum);
            // SAFETY: a direction visits each pixel of a map once, and directions and maps are apart.
            unsafe { out.write((pixel * directions + group) * row, &sum) };
        }
    });
}
