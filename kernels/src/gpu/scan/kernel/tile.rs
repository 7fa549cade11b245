use super::layout::{ScanLayout, in_row, pixel_at};
use crate::gpu::scan::blueprint::Blueprint;
use cubecl::prelude::*;

/// A tile of steps in shared memory: what all units of a cube read of each step, fetched by all of them together.
///
/// Every unit of the cube calls every function here at the same time. Steps past the end of a chunk have rows of zeros.
#[derive(CubeType)]
pub(crate) struct Tile {
    /// The pixels of this tile's steps and, behind them, of the next one's; or the other way round.
    pixels: Shared<[u32]>, // [2, T]
    /// Rows of the low-rank step, `b` and `c`.
    pub(crate) rows: Shared<[f32]>, // [T, pitch]
    /// Where in `pixels` this tile's are.
    half: usize,
}

/// The steps of a tile: positions from `first` on, `steps` of them.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: usize,
    pub(crate) steps: usize,
}

/// Steps of tile `tile` of a chunk that goes from `start` to before `end`; a tile behind the end has none.
#[cube]
pub(crate) fn span(start: usize, end: usize, tile: usize, #[comptime] length: usize) -> Span {
    let wanted = start + tile * length;
    let first = select::<usize>(wanted < end, wanted, end);
    let rest = end - first;
    Span { first, steps: select::<usize>(rest < length, rest, length) }
}

#[cube]
impl Tile {
    /// Empty, with the pixels of the first tile to come.
    pub(crate) fn new(layout: &ScanLayout, group: usize, first: usize, #[comptime] blueprint: Blueprint) -> Tile {
        let pixels = Shared::<[u32]>::new_slice(comptime!(2 * blueprint.cut.tile));
        let rows = Shared::<[f32]>::new_slice(comptime!(blueprint.cut.tile * blueprint.pitch()));
        let mut tile = Tile { pixels, rows, half: comptime!(blueprint.cut.tile).runtime() };
        tile.look_ahead(layout, group, first, blueprint);
        tile
    }

    /// Makes the tile that was looked ahead for the current one. All units are done with the one before afterwards.
    pub(crate) fn turn(&mut self, #[comptime] blueprint: Blueprint) {
        self.half = comptime!(blueprint.cut.tile) - self.half;
        sync_cube();
    }

    /// Finds the pixels of the next tile, which begins at position `first`, or behind the last.
    pub(crate) fn look_ahead(
        &mut self,
        layout: &ScanLayout,
        group: usize,
        first: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let steps = comptime!(blueprint.cut.tile);
        let units = comptime!(blueprint.cut.units());
        for round in 0..comptime!(blueprint.cut.tile.div_ceil(blueprint.cut.units())) {
            let step = round * units + UNIT_POS_X as usize;
            if step < steps {
                let wanted = first + step;
                let position = select::<usize>(wanted < layout.length, wanted, layout.length - 1);
                self.pixels[steps - self.half + step] = pixel_at(layout, group, position, blueprint.map) as u32;
            }
        }
    }

    /// The pixel of a step of this tile.
    pub(crate) fn pixel(&self, step: usize) -> usize {
        self.pixels[self.half + step] as usize
    }

    /// Makes all rows zero, columns that nothing is fetched into among them.
    pub(crate) fn clear(&mut self, #[comptime] blueprint: Blueprint) {
        let mut index = UNIT_POS_X as usize;
        while index < comptime!(blueprint.cut.tile * blueprint.pitch()) {
            self.rows[index] = 0.0f32;
            index += comptime!(blueprint.cut.units());
        }
    }

    /// Fetches the low-rank steps of the tile's rows, where the step does not come ready.
    pub(crate) fn fetch_step<F: Float>(
        &mut self,
        step: &[F],
        layout: &ScanLayout,
        base: usize,
        steps: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        if comptime!(blueprint.rank > 0) {
            self.fetch::<F>(step, base, 1usize, layout.step_position, steps, 0usize, blueprint.rank, blueprint);
        }
    }

    /// Fetches `b` of the tile's rows, which begin at `row_base`.
    pub(crate) fn fetch_b<F: Float>(
        &mut self,
        b: &[F],
        layout: &ScanLayout,
        row_base: usize,
        steps: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let (base, column) = (row_base + layout.b_offset, comptime!(blueprint.b_column()));
        let item = in_row(layout, 1usize, blueprint.map);
        self.fetch::<F>(b, base, item, layout.row_position, steps, column, blueprint.states, blueprint);
    }

    /// Fetches `c` of the tile's rows, which begin at `row_base`.
    pub(crate) fn fetch_c<F: Float>(
        &mut self,
        c: &[F],
        layout: &ScanLayout,
        row_base: usize,
        steps: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let (base, column) = (row_base + layout.c_offset, comptime!(blueprint.c_column()));
        let item = in_row(layout, 1usize, blueprint.map);
        self.fetch::<F>(c, base, item, layout.row_position, steps, column, blueprint.states, blueprint);
    }

    /// Fetches `width` items of every step into the rows, from `column` on.
    ///
    /// An item lies at `base + item * item_stride + pixel * pixel_stride` in `source`.
    fn fetch<F: Float>(
        &mut self,
        source: &[F],
        base: usize,
        item_stride: usize,
        pixel_stride: usize,
        steps: usize,
        #[comptime] column: usize,
        #[comptime] width: usize,
        #[comptime] blueprint: Blueprint,
    ) {
        let units = comptime!(blueprint.cut.units());
        let tile = comptime!(blueprint.cut.tile);
        let items = comptime!(width * blueprint.cut.tile);
        let rounds = comptime!(items.div_ceil(units));
        let unit = UNIT_POS_X as usize;
        // All loads are under way before the first is waited for.
        let mut loaded = Array::<f32>::new(rounds);
        #[unroll(rounds <= 16)]
        for round in 0..rounds {
            let wanted = round * units + unit;
            let item = select::<usize>(wanted < items, wanted, comptime!(items - 1).runtime());
            let (step, i) = part(item, width, tile, blueprint.map);
            let value = f32::cast_from(source[base + i * item_stride + self.pixel(step) * pixel_stride]);
            loaded[round] = select::<f32>(step < steps, value, f32::new(0.0f32));
        }
        #[unroll(rounds <= 16)]
        for round in 0..rounds {
            let item = round * units + unit;
            if item < items {
                let (step, i) = part(item, width, tile, blueprint.map);
                self.rows[step * comptime!(blueprint.pitch()) + column + i] = loaded[round];
            }
        }
    }
}

/// Step and item of the `n`-th of all items of a tile: neighbours in memory go to neighbouring units.
#[cube]
fn part(n: usize, #[comptime] width: usize, #[comptime] tile: usize, #[comptime] map: bool) -> (usize, usize) {
    if map { (n / width, n % width) } else { (n % tile, n / tile) }
}
