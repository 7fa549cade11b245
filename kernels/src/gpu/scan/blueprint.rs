use cubecl::client::Client;

/// How a forward pass is cut along the sequence.
///
/// Results differ in rounding alone. The backward pass always works in chunks: they are its checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ScanStrategy {
    /// By shape alone, so that every machine cuts in the same places: in one piece when batch, groups and channels make at
    /// least 32768 units or the sequence has at most 64 steps, else in as many chunks of at least 32 steps as make 131072
    /// units. Chunks walk the sequence twice, which pays as long as units would idle. Directions of a map whose sums the device cannot
    /// hold in one piece add up in another order there.
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
/// Units that [`ScanStrategy::Auto`] leaves in one piece, which is half the work: an H200 takes 0.146 ms for 49,152 units of 256 steps, and
/// 0.271 in chunks, but 0.459 and 0.427 for 24,576 units of 1,024.
const ONE_PIECE_UNITS: usize = 32_768;
/// Units of a launch of the gradient kernel that keep a large GPU busy: its cubes take long, so that of few a part of the device waits
/// for the last.
pub(super) const BUSY_GRADIENT_UNITS: usize = 524_288;
/// Shortest chunk that [`ScanStrategy::Auto`] makes.
const SHORTEST_CHUNK: usize = 32;
/// Longest sequence that [`ScanStrategy::Auto`] leaves in one piece at any number of units.
const SHORT_SEQUENCE: usize = 64;

/// Steps whose rows a cube of the forward kernels keeps in shared memory, where they fit.
const TILE: usize = 16;
/// States of some steps that a unit of the gradient kernel keeps in registers, and as many decays: with more of them fewer units
/// are under way at the same time.
const KEPT: usize = 16;
/// The same where that many are too many: processors have fewer registers, and compile what is unrolled for minutes.
const KEPT_BY_PROCESSORS: usize = 8;
/// Fewest steps of a tile of the gradient kernel on a card.
const GRADIENT_TILE: usize = 8;
/// States of a unit of the gradient kernel, where that makes no more than [`MOST_GROUPS`] units a channel.
const UNIT_STATES: usize = 4;
/// Most units of the gradient kernel that share the states of a channel.
const MOST_GROUPS: usize = 16;
/// Fewest channels of a cube, and those of the gradient kernel: a plane has as many units, and those without a channel help to fetch.
const LANES: usize = 32;
/// Most channels of a cube: enough to hide latency, few enough that narrow groups do not idle.
const MOST_LANES: usize = 64;
/// Most units that share the parts of one gradient of a parameter.
const SUMMING_UNITS: usize = 8;
/// Steps of a backward chunk where the caller forces no length, and the units from which on a chunk is that long: chunks of 64 steps
/// keep a busy device busy, shorter ones fill it.
const BACKWARD_CHUNKS: [(usize, usize); 2] = [(64, BUSY_UNITS), (32, BUSY_UNITS / 2)];
/// Steps of a backward chunk where there are fewer units.
const SHORTEST_BACKWARD_CHUNK: usize = 16;
/// Most steps of a backward chunk: states every few of them lie in local memory.
const LONGEST_BACKWARD_CHUNK: usize = 128;
/// Most states that loops over states are unrolled for; beyond, code grows faster than speed.
const UNROLLED_STATES: usize = 32;

impl ScanStrategy {
    /// Steps of a forward chunk for `units` channels of all groups and batches and `length` steps.
    pub(super) fn forward_chunk(self, units: usize, length: usize) -> usize {
        match self {
            Self::Sequential => length,
            Self::Chunked { length: chunk } => chunk.clamp(1, length),
            Self::Auto if units >= ONE_PIECE_UNITS || length <= SHORT_SEQUENCE => length,
            Self::Auto => {
                let chunks = BUSY_UNITS.div_ceil(units).min(length / SHORTEST_CHUNK);
                length.div_ceil(chunks)
            }
        }
    }

    /// Steps of a backward chunk, a multiple of `tile`, for `units` of all channels, groups and batches and `length` steps.
    pub(super) fn backward_chunk(self, units: usize, length: usize, tile: usize) -> usize {
        let chunk = match self {
            Self::Auto | Self::Sequential => {
                let fills = |&(chunk, least): &(usize, usize)| units * length.div_ceil(chunk) >= least;
                BACKWARD_CHUNKS.into_iter().find(fills).map_or(SHORTEST_BACKWARD_CHUNK, |(chunk, _)| chunk)
            }
            Self::Chunked { length } => length.clamp(1, LONGEST_BACKWARD_CHUNK),
        };
        chunk.next_multiple_of(tile)
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
    /// How the work is cut.
    pub(crate) cut: UnitCut,
}

/// How states and channels are shared out among the units of a cube, and how many steps a cube works on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UnitCut {
    /// Channels of a cube: neighbouring units own neighbouring ones.
    pub(crate) lanes: usize,
    /// Units that share the states of a channel.
    pub(crate) groups: usize,
    /// States of a unit; those of the last group may be fewer.
    pub(crate) states: usize,
    /// Steps of a tile.
    pub(crate) tile: usize,
    /// Steps whose states a unit of the gradient kernel keeps at the same time; divides those of a tile.
    pub(crate) kept: usize,
}

impl UnitCut {
    /// Of a kernel whose units own all `states` of one of `channels` channels, for cubes of at most `most_units`.
    pub(super) fn whole(states: usize, channels: usize, most_units: usize) -> Self {
        let lanes = if channels > LANES { MOST_LANES } else { LANES };
        Self { lanes: lanes.min(most_units), groups: 1, states, tile: TILE, kept: 1 }
    }

    /// Of the gradient kernel, likewise, on a `card` or a processor.
    ///
    /// A length of chunks that is asked for decides in the card's place: tiles are long where it is a multiple of them.
    pub(super) fn shared_out(states: usize, most_units: usize, strategy: ScanStrategy, card: bool) -> Self {
        let own = states.div_ceil(MOST_GROUPS.min(most_units)).max(UNIT_STATES.min(states));
        let groups = states.div_ceil(own);
        let lanes = LANES.min(most_units / groups);
        let steps = |kept: usize| 1 << (kept / own).max(1).ilog2();
        let tile = steps(KEPT).max(GRADIENT_TILE);
        let long = match strategy {
            ScanStrategy::Chunked { length } => length % tile == 0,
            ScanStrategy::Auto | ScanStrategy::Sequential => card,
        };
        let (tile, kept) = if long { (tile, steps(KEPT)) } else { [steps(KEPT_BY_PROCESSORS); 2].into() };
        Self { lanes, groups, states: own, tile, kept }
    }

    /// Units of a cube.
    pub(crate) const fn units(&self) -> usize {
        self.lanes * self.groups
    }

    /// Most steps of a tile that one unit of a channel has where its units share them out.
    pub(crate) const fn items(&self) -> usize {
        self.tile.div_ceil(self.groups)
    }
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
    /// Whether loops over the states of a unit are unrolled.
    pub(crate) const fn unroll(&self) -> bool {
        self.cut.states <= UNROLLED_STATES
    }

    /// Parts of a tile of the gradient kernel whose states are kept at the same time.
    pub(crate) const fn blocks(&self) -> usize {
        self.cut.tile / self.cut.kept
    }

    /// Whether every unit has as many states: no state is made up.
    pub(crate) const fn even(&self) -> bool {
        self.states == self.cut.states * self.cut.groups
    }

    /// Where `b` begins in a row of shared memory, which begins with the low-rank step; fours of floats are loaded as one.
    pub(crate) const fn b_column(&self) -> usize {
        self.rank.next_multiple_of(4)
    }

    /// Where `c` begins in a row of shared memory.
    pub(crate) const fn c_column(&self) -> usize {
        self.b_column() + self.padded_states()
    }

    /// Bytes of shared memory of a kernel whose units own all states of a channel, give or take a few.
    pub(super) const fn bytes(&self) -> usize {
        let own = 1 + (self.rank == 0) as usize + self.accumulate as usize;
        4 * self.cut.tile * (2 + self.pitch() + own * self.cut.lanes)
    }

    /// Floats of a row of shared memory.
    pub(crate) const fn pitch(&self) -> usize {
        self.c_column() + self.padded_states()
    }

    /// States of all units of a channel, made up ones too, in fours.
    pub(crate) const fn padded_states(&self) -> usize {
        (self.cut.states * self.cut.groups).next_multiple_of(4)
    }
}

/// What the gradient kernel is compiled for beside its [`Blueprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one flag a kind of gradient")]
pub(crate) struct GradientBlueprint {
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

impl GradientBlueprint {
    /// Floats in shared memory from a term's lanes to the next term's: fours, of which neighbouring terms lie in different banks.
    pub(crate) const fn term_pitch(blueprint: &Blueprint) -> usize {
        blueprint.cut.lanes.next_multiple_of(4) + 4
    }

    /// Floats of shared memory for the terms of the sums over channels.
    pub(crate) const fn terms(blueprint: &Blueprint) -> usize {
        blueprint.cut.kept * 2 * blueprint.padded_states() * Self::term_pitch(blueprint)
    }

    /// Floats from a lane's weights to the next lane's: odd, so that all lanes lie in different banks.
    pub(crate) const fn weight_pitch(blueprint: &Blueprint) -> usize {
        blueprint.rank | 1
    }

    /// Floats of shared memory for the weights of the low-rank step.
    pub(crate) const fn weights(blueprint: &Blueprint) -> usize {
        if blueprint.rank == 0 { 0 } else { blueprint.cut.lanes * Self::weight_pitch(blueprint) }
    }

    /// Bytes of shared memory of the gradient kernel, give or take a few.
    pub(super) const fn bytes(&self, blueprint: &Blueprint) -> usize {
        let UnitCut { lanes, tile, .. } = blueprint.cut;
        let terms = if self.rows { Self::terms(blueprint) } else { 0 };
        let tile_floats = tile * (2 + blueprint.pitch() + 3 * lanes + 2 * blueprint.cut.units());
        4 * (tile_floats + terms + Self::weights(blueprint)) + 16
    }
}

/// Which gradients of parameters are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "one flag a parameter")]
pub(crate) struct WantedParameters {
    pub(crate) a: bool,
    pub(crate) skip: bool,
    pub(crate) bias: bool,
    /// The expansion of the low-rank step.
    pub(crate) weight: bool,
}

impl WantedParameters {
    pub(super) const fn any(self) -> bool {
        self.a || self.skip || self.bias || self.weight
    }
}

/// What the kernel that adds up gradients of parameters is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ParameterSums {
    /// N.
    pub(crate) states: usize,
    /// R.
    pub(crate) rank: usize,
    /// Channels of a cube.
    pub(crate) lanes: usize,
    /// Units that share the parts of a channel.
    pub(crate) groups: usize,
}

impl ParameterSums {
    /// For cubes of at most `most_units`.
    pub(super) fn new(states: usize, rank: usize, most_units: usize) -> Self {
        let lanes = LANES.min(most_units);
        Self { states, rank, lanes, groups: SUMMING_UNITS.min(most_units / lanes) }
    }

    /// Gradients of a channel: of every state's `a`, skip, bias, and every weight of the low-rank step.
    pub(crate) const fn fields(&self) -> usize {
        self.states + 2 + self.rank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backward_chunks_are_as_long_as_the_device_stays_busy() {
        // The stages of the tiny model at 256², and eight images of the first; four units a channel.
        let steps = |channels: usize, length| ScanStrategy::Auto.backward_chunk(4 * channels, length, 8);
        let stages = [steps(1536, 64 * 64), steps(3072, 32 * 32), steps(6144, 16 * 16), steps(12288, 8 * 8)];
        assert_eq!((stages, steps(8 * 1536, 64 * 64)), ([64, 64, 32, 32], 64));
        assert_eq!(ScanStrategy::Chunked { length: 20 }.backward_chunk(1536, 4096, 8), 24);
    }

    #[test]
    fn units_share_states_out_and_keep_as_many_steps_as_registers_hold() {
        let cut = |states, most_units, strategy, card| {
            let UnitCut { lanes, groups, states, tile, kept } = UnitCut::shared_out(states, most_units, strategy, card);
            (lanes, groups, states, tile, kept)
        };
        let auto = ScanStrategy::Auto;
        assert_eq!(cut(16, 1024, auto, true), (32, 4, 4, 8, 4));
        assert_eq!(cut(16, 1024, auto, false), (32, 4, 4, 2, 2));
        assert_eq!(cut(16, 1024, ScanStrategy::Chunked { length: 24 }, false), (32, 4, 4, 8, 4));
        assert_eq!(cut(16, 1024, ScanStrategy::Chunked { length: 11 }, true), (32, 4, 4, 2, 2));
        assert_eq!(cut(3, 1024, auto, true), (32, 1, 3, 8, 4));
        assert_eq!(cut(1, 1024, auto, true), (32, 1, 1, 16, 16));
        // Cubes of 256 units have fewer channels where many share one, and no unit keeps fewer states than those of one step.
        assert_eq!(cut(64, 256, auto, true), (16, 16, 4, 8, 4));
        assert_eq!(cut(1000, 256, auto, true), (16, 16, 63, 8, 1));
        assert_eq!(cut(1000, 256, auto, false), (16, 16, 63, 1, 1));
    }
}
