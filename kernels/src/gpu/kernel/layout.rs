use cubecl::prelude::*;

/// Sizes and strides of one launch; strides count elements.
///
/// An element of `u` and `dy` lies at `batch * u_batch + group * u_group + channel * u_channel + pixel * u_position`, where
/// the pixel is the position itself in the plain form.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct ScanLayout {
    /// Cubes that have work; the grid may hold more.
    pub(crate) cubes: usize,
    /// Cubes along the channels of a group.
    pub(crate) channel_tiles: usize,
    /// C, chunks of a sequence.
    pub(crate) chunks: usize,
    /// Steps of a chunk; the last may have fewer.
    pub(crate) chunk: usize,
    /// P, groups that this launch works on at the same time.
    pub(crate) parts: usize,
    /// Launches that share the groups out: part `p` works on group `p * slots + slot`.
    pub(crate) slots: usize,
    /// Which of them this is.
    pub(crate) slot: usize,
    /// G.
    pub(crate) groups: usize,
    /// D.
    pub(crate) channels: usize,
    /// L.
    pub(crate) length: usize,
    /// H of a map.
    pub(crate) height: usize,
    /// W of a map.
    pub(crate) width: usize,
    /// Pixel order of group `g`: `g * order_step`.
    pub(crate) order_step: usize,
    pub(crate) u_batch: usize,
    pub(crate) u_group: usize,
    pub(crate) u_channel: usize,
    pub(crate) u_position: usize,
    pub(crate) step_batch: usize,
    pub(crate) step_group: usize,
    pub(crate) step_channel: usize,
    pub(crate) step_position: usize,
    pub(crate) row_batch: usize,
    pub(crate) row_group: usize,
    pub(crate) row_state: usize,
    pub(crate) row_position: usize,
    pub(crate) b_offset: usize,
    pub(crate) c_offset: usize,
    /// Strides of `y` and of the gradient of `u` where they differ from those of `u`.
    pub(crate) out_batch: usize,
    pub(crate) out_part: usize,
    /// Where the gradients of `b` and `c` start in their common buffer.
    pub(crate) b_gradient: usize,
    pub(crate) c_gradient: usize,
    /// Elements of that buffer that one channel tile fills.
    pub(crate) rows: usize,
}

/// Batch, part, chunk and channel tile of this cube.
#[cube]
pub(crate) fn place(layout: &ScanLayout) -> (usize, usize, usize, usize) {
    let tile = CUBE_POS % layout.channel_tiles;
    let rest = CUBE_POS / layout.channel_tiles;
    let chunk = rest % layout.chunks;
    let sequence = rest / layout.chunks;
    (sequence / layout.parts, sequence % layout.parts, chunk, tile)
}

/// First position after `chunk`.
#[cube]
pub(crate) fn chunk_end(layout: &ScanLayout, chunk: usize) -> usize {
    let end = (chunk + 1) * layout.chunk;
    select::<usize>(end > layout.length, layout.length, end)
}

/// Index of the first state of `chunk` in a buffer `[B, G, C, N, D]`; states are D apart.
#[cube]
pub(crate) fn state_base(
    layout: &ScanLayout,
    batch: usize,
    group: usize,
    chunk: usize,
    channel: usize,
    #[comptime] states: usize,
) -> usize {
    (((batch * layout.groups + group) * layout.chunks + chunk) * states) * layout.channels + channel
}

/// Elements from the first state of a row to the last, and one more.
#[cube]
pub(crate) fn row_extent(layout: &ScanLayout, #[comptime] states: usize, #[comptime] map: bool) -> usize {
    in_row(layout, comptime!(states - 1), map) + 1
}

/// Where state `n` of a row lies in it: next to the others in a map.
#[cube]
pub(crate) fn in_row(layout: &ScanLayout, n: usize, #[comptime] map: bool) -> usize {
    if map { n } else { n * layout.row_state }
}

/// A walk along the sequence of a group, which knows the pixel it is at and finds its neighbours without a division.
///
/// A map is lines of pixels: rows are one line of the whole map, columns and diagonals are lines of H pixels that begin in the
/// first row, one column after the other, and shift by `slant` columns a row.
#[derive(CubeType)]
pub(crate) struct Walk {
    /// Which pixel of the line, from its beginning in the first row.
    index: usize,
    /// Where the line begins.
    line: usize,
    /// The column of the pixel; 0 where the line is the map.
    column: usize,
    /// Pixels of a line.
    pixels: usize,
    /// Elements from one row of the map to the next; 1 where the line is the map.
    stride: usize,
    /// Columns from a pixel of a line to the next, modulo W.
    slant: usize,
    /// From the first pixel of a line to the last.
    shift: usize,
    width: usize,
    /// Whether the sequence begins at the far end.
    far: bool,
}

#[cube]
impl Walk {
    /// At a position of the group's sequence.
    pub(crate) fn at(layout: &ScanLayout, group: usize, position: usize) -> Walk {
        // The plain form has order 0 in every group.
        let order = group * layout.order_step;
        let far = (order / 2) % 2 == 1;
        let l = select::<usize>(far, layout.length - 1 - position, position);
        let rows = order == 0 || order == 2;
        let pixels = select::<usize>(rows, layout.length, layout.height);
        let stride = select::<usize>(rows, 1usize, layout.width);
        let down = select::<usize>(order == 4 || order == 6, 1usize % layout.width, 0usize);
        let slant = select::<usize>(order == 5 || order == 7, layout.width - 1, down);
        let index = l % pixels;
        let line = l / pixels;
        let column = (line + slant * index) % layout.width;
        let shift = slant * (pixels - 1) % layout.width;
        Walk { index, line, column, pixels, stride, slant, shift, width: layout.width, far }
    }

    /// The pixel here; of the plain form, the position.
    pub(crate) fn pixel(&self) -> usize {
        self.index * self.stride + self.column
    }

    /// Goes on to the next position, which may lie behind the last.
    pub(crate) fn forth(&mut self, #[comptime] map: bool) {
        if map {
            if self.far {
                self.up();
            } else {
                self.down();
            }
        } else {
            self.index = self.index + 1;
        }
    }

    /// Goes back to the position before, which may lie before the first.
    pub(crate) fn back(&mut self, #[comptime] map: bool) {
        if map {
            if self.far {
                self.down();
            } else {
                self.up();
            }
        } else {
            self.index = self.index - 1;
        }
    }

    fn down(&mut self) {
        let next = self.index + 1;
        let over = next == self.pixels;
        let line = select::<usize>(over, self.line + 1, self.line);
        let column = within(self.column + self.slant, self.width);
        self.index = select::<usize>(over, 0usize, next);
        self.line = line;
        self.column = select::<usize>(over, line, column);
    }

    fn up(&mut self) {
        let over = self.index == 0;
        let line = select::<usize>(over, self.line - 1, self.line);
        let column = within(self.column + (self.width - self.slant), self.width);
        self.index = select::<usize>(over, self.pixels - 1, self.index - 1);
        self.line = line;
        self.column = select::<usize>(over, within(line + self.shift, self.width), column);
    }
}

/// A column modulo W that is less than twice that.
#[cube]
fn within(column: usize, width: usize) -> usize {
    select::<usize>(column < width, column, column - width)
}
