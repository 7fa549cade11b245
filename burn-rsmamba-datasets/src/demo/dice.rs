//! Random numbers that are the same on every machine and with every version of the `rand` crates.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Streams of one seed share no numbers.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    pub(super) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// In 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// In 0..count.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.bits()) * count as u64) >> 32) as usize
    }

    /// In low..=high.
    pub(super) fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Roughly normal, of mean 0 and deviation 1: the sum of four bytes.
    pub(super) fn normal(&mut self) -> f32 {
        let sum: u32 = self.bits().to_le_bytes().into_iter().map(u32::from).sum();
        (sum as f32 - 510.0) * (1.0 / 147.8)
    }
}
