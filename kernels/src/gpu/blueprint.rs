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
/// Tiles of a backward chunk where the caller forces no length: 64 steps a chunk.
const TILES: usize = 8;
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

    /// Tiles of [`TILE`] steps of a backward chunk.
    pub(super) fn backward_tiles(self) -> usize {
        match self {
            Self::Auto | Self::Sequential => TILES,
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
