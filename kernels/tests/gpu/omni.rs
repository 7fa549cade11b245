use super::{
    checks::Checks,
    plain::EVERY_STRATEGY,
    problem::{ALL_ON, every_option, omni_shape},
};
use burn_rsmamba_kernels::{Directions, OmniShape, gpu::ScanStrategy};

#[test]
fn every_map_shape_and_strategy() {
    Checks::run("omni: maps and strategies", |checks| {
        for (height, width) in [(1, 1), (1, 9), (9, 1), (5, 8), (8, 5), (6, 6), (7, 13)] {
            checks.omni(omni_shape(2, height, width, 5, 3), ALL_ON, &EVERY_STRATEGY);
        }
    });
}

#[test]
fn a_stage_of_a_model() {
    Checks::run("omni: a stage of a model", |checks| {
        // Channels, states and rank of the tiny model's first stage; its whole chunks of 64 steps.
        let directions = Directions::Eight;
        let shape = OmniShape { batch: 1, height: 12, width: 12, channels: 192, states: 16, rank: 6, directions };
        checks.omni(shape, ALL_ON, &[ScanStrategy::Auto, ScanStrategy::Chunked { length: 64 }]);
    });
}

#[test]
fn every_option_of_the_problem() {
    Checks::run("omni: options", |checks| {
        for options in every_option() {
            checks.omni(omni_shape(2, 5, 7, 3, 4), options, &[ScanStrategy::Sequential, CHUNKS]);
        }
    });
}

#[test]
fn every_direction_count_state_count_and_rank() {
    Checks::run("omni: directions, states, ranks", |checks| {
        let every_rank =
            [1, 4, 16, 64].into_iter().flat_map(|states| [1, 6].map(|rank| (Directions::Eight, states, rank)));
        // Fewer directions are other numbers for the same kernels.
        let fewer = [Directions::Four, Directions::Two, Directions::One].map(|directions| (directions, 4, 6));
        for (directions, states, rank) in every_rank.chain(fewer) {
            let shape = OmniShape { batch: 1, height: 5, width: 6, channels: 19, states, rank, directions };
            checks.omni(shape, ALL_ON, &[ScanStrategy::Sequential, CHUNKS]);
        }
        // A rank whose loops stay loops.
        let shape =
            OmniShape { batch: 1, height: 5, width: 6, channels: 19, states: 2, rank: 70, directions: Directions::Two };
        checks.omni(shape, ALL_ON, &[ScanStrategy::Sequential, CHUNKS]);
    });
}

#[test]
fn directions_one_after_the_other() {
    Checks::run("omni: parts", |checks| {
        // 160 chunks forward, 80 of four units a channel backward. The number of units decides how many directions go at the
        // same time: forward one, two, four and eight, backward two, four and eight, and of two directions one.
        for (batch, channels) in [(4, 256), (2, 256), (1, 256), (1, 5)] {
            checks.omni(omni_shape(batch, 16, 10, channels, 16), ALL_ON, &[ScanStrategy::Chunked { length: 1 }]);
        }
        let two = OmniShape { directions: Directions::Two, ..omni_shape(7, 16, 10, 256, 16) };
        checks.omni(two, ALL_ON, &[ScanStrategy::Chunked { length: 1 }]);
        for directions in [Directions::Four, Directions::Two, Directions::One] {
            let shape = OmniShape { directions, ..omni_shape(2, 16, 10, 256, 2) };
            checks.omni(shape, ALL_ON, &[ScanStrategy::Chunked { length: 1 }, ScanStrategy::Chunked { length: 8 }]);
        }
    });
}

#[test]
fn partial_maps_fit_into_a_buffer() {
    Checks::run("omni: large map", |checks| {
        // Eight maps of 17 MB: a device whose buffers end at 128 MB gets four.
        let directions = Directions::Eight;
        let shape = OmniShape { batch: 1, height: 512, width: 520, channels: 16, states: 1, rank: 1, directions };
        checks.omni(shape, ALL_ON, &[ScanStrategy::Auto]);
    });
}

const CHUNKS: ScanStrategy = ScanStrategy::Chunked { length: 11 };
