//! States that a forward pass leaves for the backward pass, which then needs no walk of its own to find them.

use super::block::{Block, Extent};
use crate::cpu::{memory::room, shared::SharedSlice};

/// The states before each tile of every block, `[batch][groups][blocks][tiles][states][lanes]`.
///
/// For 16 states and a state kept every 32 steps that is half a map a direction.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    values: Vec<f32>,
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    groups: usize,
    blocks: usize,
    tiles: usize,
    /// Values of one tile's states.
    state: usize,
}

impl Layout {
    fn new(extent: &Extent, lanes: usize) -> Self {
        let (groups, state) = (extent.groups, extent.states * lanes);
        Self { groups, blocks: extent.blocks(lanes), tiles: extent.tiles(), state }
    }

    /// Where the states of a block begin.
    fn at(&self, block: Block) -> usize {
        let index = block.channel / block.lanes;
        ((block.batch * self.groups + block.group) * self.blocks + index) * self.tiles * self.state
    }
}

impl Checkpoints {
    /// Lets `walk` record the states of all blocks.
    pub(super) fn record(extent: &Extent, lanes: usize, walk: impl FnOnce(&Recorder<'_>)) -> Self {
        let layout = Layout::new(extent, lanes);
        let len = extent.batch * layout.groups * layout.blocks * layout.tiles * layout.state;
        let mut values = room(len);
        walk(&Recorder { values: SharedSlice::of_capacity(&mut values), layout });
        // SAFETY: a forward walk visits every tile of every block, and writes its states.
        unsafe { values.set_len(len) };
        Self { values, layout }
    }

    /// The states of a block, `[tiles][states][lanes]`.
    ///
    /// # Panics
    ///
    /// When they were recorded for other sizes or lanes.
    pub(super) fn of(&self, extent: &Extent, block: Block) -> &[f32] {
        assert!(self.layout == Layout::new(extent, block.lanes), "checkpoints of another scan: {:?}", self.layout);
        &self.values[self.layout.at(block)..][..self.layout.tiles * self.layout.state]
    }
}

/// Where forward walks leave their states.
pub(super) struct Recorder<'a> {
    values: SharedSlice<'a>,
    layout: Layout,
}

impl Recorder<'_> {
    /// Leaves the states of a block before a tile.
    ///
    /// # Safety
    ///
    /// No other task walks the same block.
    pub(super) unsafe fn write(&self, block: Block, tile: usize, states: &[f32]) {
        // SAFETY: blocks have places of their own, and no other task walks this one.
        unsafe { self.values.write(self.layout.at(block) + tile * self.layout.state, states) };
    }
}
