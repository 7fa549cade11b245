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

/// The pixel that position `l` of a group's sequence visits; of the plain form, the position.
///
/// A map is lines of pixels: rows are one line of the whole map, columns and diagonals are lines of H pixels that begin in the
/// first row, one column after the other, and shift by a column a row, or none.
#[cube]
pub(crate) fn pixel_at(layout: &ScanLayout, group: usize, l: usize, #[comptime] map: bool) -> usize {
    if map {
        let order = group * layout.order_step;
        let far = (order / 2) % 2 == 1;
        let l = select::<usize>(far, layout.length - 1 - l, l);
        let (row, line) = (l % layout.height, l / layout.height);
        let slant = select::<usize>(order == 5 || order == 7, layout.width - row % layout.width, row);
        let column = (line + select::<usize>(order >= 4, slant, 0usize)) % layout.width;
        select::<usize>(order == 0 || order == 2, l, row * layout.width + column)
    } else {
        l
    }
}
