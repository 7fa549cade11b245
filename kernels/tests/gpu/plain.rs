use super::{
    checks::Checks,
    problem::{ALL_ON, every_option},
};
use burn_rsmamba_kernels::{ScanShape, gpu::ScanStrategy};

/// From one step a chunk to more steps than there are; the backward pass rounds up to tiles.
pub(crate) const EVERY_STRATEGY: [ScanStrategy; 7] = [
    ScanStrategy::Auto,
    ScanStrategy::Sequential,
    ScanStrategy::Chunked { length: 1 },
    ScanStrategy::Chunked { length: 7 },
    ScanStrategy::Chunked { length: 16 },
    ScanStrategy::Chunked { length: 33 },
    ScanStrategy::Chunked { length: 1000 },
];

#[test]
fn every_strategy_and_length() {
    Checks::run("plain: strategies and lengths", |checks| {
        for length in [1, 2, 31, 32, 33, 127] {
            let shape = ScanShape { batch: 2, groups: 2, channels: 5, states: 3, length };
            checks.plain(shape, ALL_ON, &EVERY_STRATEGY);
        }
    });
}

#[test]
fn every_state_count() {
    Checks::run("plain: states", |checks| {
        for states in [1, 4, 16, 33, 64] {
            let shape = ScanShape { batch: 1, groups: 2, channels: 9, states, length: 41 };
            checks.plain(shape, ALL_ON, &[ScanStrategy::Sequential, ScanStrategy::Chunked { length: 11 }]);
        }
    });
}

#[test]
fn every_option_and_group_count() {
    Checks::run("plain: options and groups", |checks| {
        // Other groups are other numbers for the same kernels.
        let every_group = [1, 4, 8].map(|groups| (ALL_ON, groups));
        for (options, groups) in every_option().map(|options| (options, 2)).chain(every_group) {
            let shape = ScanShape { batch: 1, groups, channels: 3, states: 4, length: 29 };
            checks.plain(shape, options, &[ScanStrategy::Sequential, ScanStrategy::Chunked { length: 8 }]);
        }
    });
}

#[test]
fn every_cube_width() {
    Checks::run("plain: widths", |checks| {
        // Cubes of 32 and of 64 channels, full and not, and several of them.
        for channels in [1, 2, 4, 7, 16, 17, 64, 150] {
            let shape = ScanShape { batch: 2, groups: 2, channels, states: 2, length: 23 };
            checks.plain(shape, ALL_ON, &[ScanStrategy::Auto, ScanStrategy::Chunked { length: 9 }]);
        }
        // Sums over channels that do not fit into 32 KiB of shared memory four steps at a time: fewer steps, narrower cubes.
        let shape = ScanShape { batch: 1, groups: 1, channels: 130, states: 64, length: 17 };
        checks.plain(shape, ALL_ON, &[ScanStrategy::Auto, ScanStrategy::Chunked { length: 9 }]);
    });
}

#[test]
fn a_long_sequence() {
    Checks::run("plain: a long sequence", |checks| {
        let shape = ScanShape { batch: 1, groups: 1, channels: 3, states: 16, length: 4099 };
        checks.plain(shape, ALL_ON, &EVERY_STRATEGY);
    });
}
