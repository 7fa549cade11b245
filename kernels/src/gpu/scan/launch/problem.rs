use super::geometry::{Cut, Geometry};
use crate::{
    definition::ScanError,
    gpu::{
        resources::{Buffer, F32, FEW_UNITS, FLAT_UNITS, Grid, check_index, check_shared, flat, most_units},
        scan::{
            blueprint::{Blueprint, Powers, UnitCut},
            kernel::{carry_states, chunk_ends, sum_parts},
        },
    },
};
use cubecl::{client::Client, ir::ElemType};

/// The operands; an absent one is bound to `a`, and the blueprint keeps kernels from reading it.
#[derive(Debug)]
pub(super) struct Operands {
    pub(super) u: Buffer,
    pub(super) step: Buffer,
    pub(super) b: Buffer,
    pub(super) c: Buffer,
    pub(super) a: Buffer,
    pub(super) weight: Buffer,
    pub(super) bias: Option<Buffer>,
    pub(super) skip: Option<Buffer>,
}

impl Operands {
    pub(super) fn bias(&self) -> &Buffer {
        self.bias.as_ref().unwrap_or(&self.a)
    }

    pub(super) fn skip(&self) -> &Buffer {
        self.skip.as_ref().unwrap_or(&self.a)
    }
}

/// A checked problem of either form.
pub(super) struct Problem<'a> {
    pub(super) op: &'static str,
    pub(super) client: &'a Client,
    pub(super) geometry: Geometry,
    pub(super) operands: Operands,
    pub(super) element: ElemType,
    pub(super) softplus: bool,
}

/// The state before every chunk `[B, G, C, N, D]`, and every chunk's sum of steps `[B, G, C, D]`.
#[derive(Debug)]
pub(super) struct ChunkStarts {
    pub(super) states: Buffer,
    pub(super) sums: Buffer,
}

/// Partial results that [`Problem::sum`] adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Elements of the result.
    pub(super) elements: usize,
    /// How many partial results.
    pub(super) count: usize,
    /// Elements from one to the next.
    pub(super) stride: usize,
    /// Where the first one starts.
    pub(super) offset: usize,
}

impl Problem<'_> {
    /// What kernels whose units own all states of a channel are compiled for when a launch starts from zero and writes `y` once.
    ///
    /// A tile of steps is shorter where rows are too long for the device's shared memory.
    pub(super) fn blueprint(&self) -> Result<Blueprint, ScanError> {
        let Geometry { states, channels, .. } = self.geometry;
        let mut blueprint = self.blueprint_of(UnitCut::whole(states, channels, most_units(self.client)));
        let most = |blueprint: &Blueprint| Blueprint { accumulate: true, ..*blueprint }.bytes();
        while blueprint.cut.tile > 1 && check_shared(self.op, self.client, most(&blueprint)).is_err() {
            blueprint.cut.tile /= 2;
        }
        check_shared(self.op, self.client, most(&blueprint))?;
        Ok(blueprint)
    }

    /// As [`blueprint`](Self::blueprint), for another cut.
    pub(super) fn blueprint_of(&self, cut: UnitCut) -> Blueprint {
        Blueprint {
            states: self.geometry.states,
            rank: self.geometry.rank,
            map: self.geometry.map,
            softplus: self.softplus,
            skip: self.operands.skip.is_some(),
            bias: self.operands.bias.is_some(),
            carried: false,
            last_state: false,
            accumulate: false,
            powers: Powers::of(self.client),
            cut,
        }
    }

    /// The grid that walks `chunks` chunks of `parts` groups at the same time.
    pub(super) fn grid(&self, chunks: usize, parts: usize, cut: UnitCut) -> Result<Grid, ScanError> {
        Grid::new(self.op, self.geometry.channels, self.geometry.batch * parts * chunks, cut)
    }

    /// Groups that are worked on at the same time, each part adding into a map of its own.
    ///
    /// The plain form's groups write to distinct places, so all of them. A map's directions all write to every pixel: as
    /// few parts as make `busy` units, because each costs a map of memory and traffic, and no more than the device has in one piece.
    pub(super) fn parts(&self, chunks: usize, cut: UnitCut, busy: usize) -> usize {
        if !self.geometry.map {
            return self.geometry.groups;
        }
        let units = self.geometry.batch * self.geometry.channels * chunks * cut.groups;
        let map = (self.geometry.input_len() * F32.size()) as u64;
        let piece = self.client.properties().memory.max_page_size;
        let mut parts = 1;
        while parts < self.geometry.groups && units * parts < busy && 2 * parts as u64 * map <= piece {
            parts *= 2;
        }
        parts
    }

    /// Elements of a buffer of states at the boundaries of chunks.
    pub(super) fn boundary_len(&self, chunks: usize) -> Result<usize, ScanError> {
        let len = self.geometry.batch * self.geometry.all_channels() * chunks * self.geometry.states;
        check_index(self.op, len)?;
        Ok(len)
    }

    /// Two launches: what chunks make of zero, then what they start from.
    pub(super) fn chunk_starts(&self, chunk: usize, blueprint: Blueprint) -> Result<ChunkStarts, ScanError> {
        let Self { client, geometry, operands, .. } = self;
        let chunks = geometry.chunks(chunk);
        let states = Buffer::empty(client, self.boundary_len(chunks)?, F32);
        let sums = Buffer::empty(client, geometry.batch * geometry.all_channels() * chunks, F32);
        let grid = self.grid(chunks, geometry.groups, blueprint.cut)?;
        let cut = Cut { chunk, parts: geometry.groups, slot: 0 };
        // SAFETY: as in `forward`.
        unsafe {
            chunk_ends::launch_unchecked(
                client,
                grid.count(client),
                grid.dim(),
                operands.u.arg(),
                operands.step.arg(),
                operands.b.arg(),
                operands.a.arg(),
                operands.weight.arg(),
                operands.bias().arg(),
                states.arg(),
                sums.arg(),
                geometry.layout(cut, grid).launch(),
                blueprint,
                self.element,
            );
        }
        let starts = ChunkStarts { states, sums };
        self.carry(&starts.sums, &starts.states, cut, grid, false);
        Ok(starts)
    }

    /// Hands states from chunk to chunk, in place.
    pub(super) fn carry(&self, sums: &Buffer, ends: &Buffer, cut: Cut, grid: Grid, reverse: bool) {
        let Self { client, geometry, .. } = self;
        let units = geometry.batch * geometry.all_channels() * geometry.states;
        let (count, dim) = flat(client, units, FEW_UNITS);
        // SAFETY: units beyond the last state end at once; the buffers were made for this cut.
        unsafe {
            carry_states::launch_unchecked(
                client,
                count,
                dim,
                self.operands.a.arg(),
                sums.arg(),
                ends.arg(),
                geometry.layout(cut, grid).launch(),
                units,
                geometry.states,
                reverse,
            );
        }
    }

    /// Adds partial results in order.
    pub(super) fn sum(&self, source: &Buffer, parts: Parts, element: ElemType) -> Buffer {
        let out = Buffer::empty(self.client, parts.elements, element);
        let (count, dim) = flat(self.client, parts.elements, FLAT_UNITS);
        // SAFETY: units beyond the last element end at once, and `parts` describes what `source` was made for.
        unsafe {
            sum_parts::launch_unchecked(
                self.client,
                count,
                dim,
                source.arg(),
                out.arg(),
                parts.elements,
                parts.count,
                parts.stride,
                parts.offset,
                element,
            );
        }
        out
    }

    /// `elements` f32 as the problem's own element.
    pub(super) fn as_element(&self, buffer: Buffer, elements: usize) -> Buffer {
        if self.element == F32 {
            return buffer;
        }
        let parts = Parts { elements, count: 1, stride: 0, offset: 0 };
        self.sum(&buffer, parts, self.element)
    }
}
