use crate::{
    definition::{Directions, OmniShape, ScanShape},
    gpu::{
        resources::Grid,
        scan::kernel::{ScanLayout, ScanLayoutLaunch},
    },
};

/// Where elements of `u`, `dy` and `y` lie.
#[derive(Debug, Clone, Copy)]
struct InputStrides {
    batch: usize,
    group: usize,
    channel: usize,
    position: usize,
}

/// Where `b`, `c` or the step lie; the last stride is by state, or by channel for a step.
#[derive(Debug, Clone, Copy)]
struct RowStrides {
    batch: usize,
    group: usize,
    item: usize,
    position: usize,
}

/// Sizes and strides of a problem in either form, before it is cut into launches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    /// Groups, or directions.
    pub(super) groups: usize,
    pub(super) channels: usize,
    pub(super) states: usize,
    /// 0 where the step comes ready.
    pub(super) rank: usize,
    pub(super) length: usize,
    /// Whether positions visit the pixels of a map, which all groups share.
    pub(super) map: bool,
    height: usize,
    width: usize,
    order_step: usize,
    input: InputStrides,
    step: RowStrides,
    row: RowStrides,
    b_offset: usize,
    c_offset: usize,
    c_gradient: usize,
    /// Elements of the gradients of `b`, `c` and the low-rank step together.
    pub(super) rows: usize,
}

/// How one launch is cut out of a problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Steps of a chunk.
    pub(super) chunk: usize,
    /// Groups at the same time.
    pub(super) parts: usize,
    /// Which group of each part.
    pub(super) slot: usize,
}

impl Geometry {
    /// Of a plain scan.
    pub(super) fn plain(shape: ScanShape) -> Self {
        let ScanShape { batch, groups, channels, states, length } = shape;
        let input =
            InputStrides { batch: groups * channels * length, group: channels * length, channel: length, position: 1 };
        Self {
            batch,
            groups,
            channels,
            states,
            rank: 0,
            length,
            map: false,
            height: 1,
            width: length,
            order_step: 0,
            input,
            step: RowStrides { batch: input.batch, group: input.group, item: input.channel, position: 1 },
            row: RowStrides { batch: groups * states * length, group: states * length, item: length, position: 1 },
            b_offset: 0,
            c_offset: 0,
            // The gradient of `c` lies behind that of `b`.
            c_gradient: shape.projection_len(),
            rows: 2 * shape.projection_len(),
        }
    }

    /// Of an omnidirectional scan.
    pub(super) fn omni(shape: OmniShape) -> Self {
        let (pixels, row, k) = (shape.pixels(), shape.row(), shape.directions.count());
        let rows = RowStrides { batch: pixels * k * row, group: row, item: 1, position: k * row };
        Self {
            batch: shape.batch,
            groups: k,
            channels: shape.channels,
            states: shape.states,
            rank: shape.rank,
            length: pixels,
            map: true,
            height: shape.height,
            width: shape.width,
            order_step: if shape.directions == Directions::Two { 2 } else { 1 },
            input: InputStrides { batch: pixels * shape.channels, group: 0, channel: 1, position: shape.channels },
            step: RowStrides { item: 0, ..rows },
            row: rows,
            b_offset: shape.rank,
            c_offset: shape.rank + shape.states,
            c_gradient: shape.rank + shape.states,
            rows: shape.batch * rows.batch,
        }
    }

    /// Elements of `u` and `y`.
    pub(super) const fn input_len(&self) -> usize {
        self.batch * self.input.batch
    }

    /// G · D.
    pub(super) const fn all_channels(&self) -> usize {
        self.groups * self.channels
    }

    /// Chunks of a sequence.
    pub(super) const fn chunks(&self, chunk: usize) -> usize {
        self.length.div_ceil(chunk)
    }

    /// The layout of one launch.
    pub(super) fn layout(&self, cut: Cut, grid: Grid) -> ScanLayout {
        // Parts of a map are whole maps, one behind the other; groups of the plain form lie where `u` has them.
        let (out_batch, out_part) =
            if self.map { (self.input.batch, self.input_len()) } else { (self.input.batch, self.input.group) };
        ScanLayout {
            cubes: grid.cubes,
            channel_tiles: grid.channel_tiles,
            chunks: self.chunks(cut.chunk),
            chunk: cut.chunk,
            parts: cut.parts,
            slots: self.groups / cut.parts,
            slot: cut.slot,
            groups: self.groups,
            channels: self.channels,
            length: self.length,
            height: self.height,
            width: self.width,
            order_step: self.order_step,
            u_batch: self.input.batch,
            u_group: self.input.group,
            u_channel: self.input.channel,
            u_position: self.input.position,
            step_batch: self.step.batch,
            step_group: self.step.group,
            step_channel: self.step.item,
            step_position: self.step.position,
            row_batch: self.row.batch,
            row_group: self.row.group,
            row_state: self.row.item,
            row_position: self.row.position,
            b_offset: self.b_offset,
            c_offset: self.c_offset,
            out_batch,
            out_part,
            b_gradient: self.b_offset,
            c_gradient: self.c_gradient,
            rows: self.rows,
        }
    }
}

impl ScanLayout {
    /// As an argument of a launch.
    pub(super) fn launch(self) -> ScanLayoutLaunch {
        // The generated constructor takes the fields in the order of their declaration.
        ScanLayoutLaunch::new(
            self.cubes,
            self.channel_tiles,
            self.chunks,
            self.chunk,
            self.parts,
            self.slots,
            self.slot,
            self.groups,
            self.channels,
            self.length,
            self.height,
            self.width,
            self.order_step,
            self.u_batch,
            self.u_group,
            self.u_channel,
            self.u_position,
            self.step_batch,
            self.step_group,
            self.step_channel,
            self.step_position,
            self.row_batch,
            self.row_group,
            self.row_state,
            self.row_position,
            self.b_offset,
            self.c_offset,
            self.out_batch,
            self.out_part,
            self.b_gradient,
            self.c_gradient,
            self.rows,
        )
    }
}
