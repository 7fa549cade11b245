use cubecl::client::Client;

/// How a forward pass is cut along the sequence.
///
/// Results differ in rounding alone. The backward pass always works in chunks: they are its checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ScanStrategy {
    /// By shape alone, so that every machine adds in the same order: in one piece when batch, groups and channels make at
    /// least 131072 units or the sequence has at most 64 steps, else in as many chunks of at least 32 steps as make that
    /// many units. Chunks walk the sequence twice, which pays as long as units would idle.
    #[default]
    Auto,
    /// In one piece: one launch and no scratch memory.
    Sequential,
    /// In chunks of `length` steps.
    Chunked {
        /// Steps of a chunk; at least 1.
        length: usize,
    },
}

/// Units that keep a large GPU busy: of an H200 with its 132 multiprocessors 16,384 leave the scan of a 64² map 3.7 times as
/// slow, 1,048,576 change nothing more.
pub(super) const BUSY_UNITS: usize = 131_072;
/// Shortest chunk that [`ScanStrategy::Auto`] makes.
const SHORTEST_CHUNK: usize = 32;
/// Longest sequence that [`ScanStrategy::Auto`] leaves in one piece at any number of units.
const SHORT_SEQUENCE: usize = 64;

/// Steps of a backward chunk whose states are in local memory at the same time.
pub(super) const TILE: usize = 8;
/// Tiles of a backward chunk where the caller forces no length, and the units from which on a chunk is that long: chunks of 64 steps
/// keep a busy device busy, shorter ones fill it (an H200 takes 7 to 47 % less time by this than in chunks of 64 throughout).
const TILES: [(usize, usize); 2] = [(8, BUSY_UNITS), (4, BUSY_UNITS / 2)];
/// Tiles of a backward chunk where there are fewer units.
const FEWEST_TILES: usize = 2;
/// Most tiles of a backward chunk: the first state of each lies in local memory.
const MOST_TILES: usize = 16;
/// Most states that loops over states are unrolled for; beyond, code grows faster than speed.
const UNROLLED_STATES: usize = 32;

impl ScanStrategy {
    /// Steps of a forward chunk for `units` channels of all groups and batches and `length` steps.
    pub(super) fn forward_chunk(self, units: usize, length: usize) -> usize {
        match self {
            Self::Sequential => length,
            Self::Chunked { length: chunk } => chunk.clamp(1, length),
            Self::Auto if units >= BUSY_UNITS || length <= SHORT_SEQUENCE => length,
            Self::Auto => {
                let chunks = BUSY_UNITS.div_ceil(units).min(length / SHORTEST_CHUNK);
                length.div_ceil(chunks)
            }
        }
    }

    /// Tiles of [`TILE`] steps of a backward chunk for `units` channels of all groups and batches and `length` steps.
    pub(super) fn backward_tiles(self, units: usize, length: usize) -> usize {
        match self {
            Self::Auto | Self::Sequential => {
                let fills = |&(tiles, least): &(usize, usize)| units * length.div_ceil(tiles * TILE) >= least;
                TILES.into_iter().find(fills).map_or(FEWEST_TILES, |(tiles, _)| tiles)
            }
            Self::Chunked { length } => length.div_ceil(TILE).clamp(1, MOST_TILES),
        }
    }
}

/// What a kernel is compiled for: every distinct value is a kernel of its own, so no length and no batch is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a kernel")]
pub(crate) struct Blueprint {
    /// N.
    pub(crate) states: usize,
    /// R; 0 where the step comes ready.
    pub(crate) rank: usize,
    /// Whether a position visits a pixel in the order of its group.
    pub(crate) map: bool,
    /// Whether the step goes through softplus.
    pub(crate) softplus: bool,
    /// Whether there is a skip connection.
    pub(crate) skip: bool,
    /// Whether there is a bias of the step.
    pub(crate) bias: bool,
    /// Whether a chunk starts from a state that it is given, not from zero.
    pub(crate) carried: bool,
    /// Whether the last state is written.
    pub(crate) last_state: bool,
    /// Whether the result is added to what an earlier launch wrote.
    pub(crate) accumulate: bool,
    /// How decays are computed.
    pub(crate) powers: Powers,
}

/// How `exp(dt * a)` is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Powers {
    /// By CubeCL's exponential.
    OfE,
    /// By NVIDIA's instruction for powers of two, with `a` times log2(e): CubeCL 0.11 has no such operation, and its exponential is five
    /// instructions more in CUDA C++.
    OfTwo,
}

impl Powers {
    /// That of the device.
    pub(super) fn of(client: &Client) -> Self {
        let cuda = client.properties().identity.fingerprint.starts_with("ptx_");
        if cfg!(feature = "cuda-cpp") && cuda { Self::OfTwo } else { Self::OfE }
    }
}

impl Blueprint {
    /// Whether loops over states are unrolled.
    pub(crate) const fn unroll(&self) -> bool {
        self.states <= UNROLLED_STATES
    }
}

/// What the gradient kernel is compiled for beside its [`Blueprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one flag a kind of gradient")]
pub(crate) struct GradientBlueprint {
    /// Units of a cube: sizes the shared memory that sums over channels.
    pub(crate) units: usize,
    /// Steps of a tile.
    pub(crate) tile: usize,
    /// Tiles of a chunk.
    pub(crate) tiles: usize,
    /// Whether the gradient of `u` is written.
    pub(crate) input: bool,
    /// Whether the gradient of the ready step is written.
    pub(crate) step: bool,
    /// Whether the gradients of `b`, `c` and the low-rank step are written: the ones summed over channels.
    pub(crate) rows: bool,
    /// Whether the gradients of the parameters are written: the ones summed over steps.
    pub(crate) parameters: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_chunks_are_as_long_as_the_device_stays_busy() {
        // The stages of the tiny model at 256², and eight images of the first.
        let steps = |units, length| TILE * ScanStrategy::Auto.backward_tiles(units, length);
        let stages = [steps(1536, 64 * 64), steps(3072, 32 * 32), steps(6144, 16 * 16), steps(12288, 8 * 8)];
        assert_eq!((stages, steps(8 * 1536, 64 * 64)), ([32, 32, 16, 16], 64));
        assert_eq!(TILE * ScanStrategy::Chunked { length: 20 }.backward_tiles(1536, 4096), 24);
    }
}
