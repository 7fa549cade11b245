//! Batches of an epoch, decoded ahead by worker threads.

#[cfg(feature = "loader")]
mod burn;
mod ordered;

use std::ops::Range;
use std::sync::Arc;

use burn_dataset::Dataset;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[cfg(feature = "loader")]
pub use self::burn::TensorLoader;
pub use self::ordered::Ordered;
use crate::sampler::Turn;
use crate::{Crops, DatasetError, Purpose, Sample, Sampler, augment, jitter, seed};

/// What a [`Loader`] makes of the crops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Seed of everything random.
    pub seed: u64,
    /// Crops of a batch; the last one of an epoch may have fewer.
    pub batch: usize,
    /// Threads that decode; 0 decodes when a batch is asked for. The batches are the same. More than [`ahead`](Self::ahead), or
    /// than the system allows, are not started.
    pub workers: usize,
    /// Batches that are made ahead of the one that was taken last, at most.
    pub ahead: usize,
    /// Random flips and transposes, see [`augment`](fn@augment).
    pub flips: bool,
    /// Whether the two dates are exchanged at random too, where there are flips.
    pub swap: bool,
    /// Strength of changes of the light, see [`jitter`]; 0 leaves it.
    pub jitter: f32,
    /// Whether a crop is moved at random, by up to half a step of the grid each way.
    pub shift: bool,
}

impl Default for LoaderOptions {
    /// Batches of 2 as they are, decoded by two threads up to four batches ahead.
    fn default() -> Self {
        Self { seed: 42, batch: 2, workers: 2, ahead: 4, flips: false, swap: true, jitter: 0.0, shift: false }
    }
}

/// Gives the batches of any epoch from any step on, always the same ones.
///
/// No more than [`LoaderOptions::ahead`] batches are in memory beside what the crops' [`Storage`](crate::Storage) keeps.
#[derive(Clone, Debug)]
pub struct Loader {
    crops: Crops,
    sampler: Arc<Sampler>,
    options: LoaderOptions,
    /// The places of an epoch's order that are taken.
    places: Range<usize>,
}

impl Loader {
    /// Takes the crops that a sampler draws from them.
    ///
    /// # Panics
    /// When batches are to have no crops.
    pub fn new(crops: &Crops, sampler: Sampler, options: LoaderOptions) -> Self {
        assert!(options.batch > 0, "Loader: a batch needs at least one crop");
        let places = 0..sampler.len();
        Self { crops: crops.clone(), sampler: Arc::new(sampler), options, places }
    }

    /// Crops of an epoch.
    pub fn items(&self) -> usize {
        self.places.len()
    }

    /// A part of every epoch: these places of its order, as far as there are any.
    #[must_use]
    pub fn slice(&self, places: Range<usize>) -> Self {
        let at = |place: usize| (self.places.start + place).min(self.places.end);
        Self { places: at(places.start)..at(places.end), ..self.clone() }
    }

    /// Batches of an epoch.
    pub fn steps(&self) -> usize {
        self.items().div_ceil(self.options.batch)
    }

    /// What it was made with.
    pub fn options(&self) -> LoaderOptions {
        self.options
    }

    /// The batches of an epoch from a step on, counted from 0, each turned into what `make` makes of its samples. `make`
    /// runs on the worker threads.
    ///
    /// A batch is an error when one of its files can no longer be read.
    pub fn batches<T: Send + 'static>(
        &self,
        epoch: usize,
        first_step: usize,
        make: impl Fn(Vec<Sample>) -> T + Send + Sync + 'static,
    ) -> Ordered<Result<T, DatasetError>> {
        let LoaderOptions { batch, workers, ahead, .. } = self.options;
        let order = self.sampler.order(self.options.seed, epoch)[self.places.clone()].to_vec();
        let loader = self.clone();
        let steps = first_step.min(self.steps())..self.steps();
        Ordered::new(steps, workers, ahead, move |step| {
            let turns = &order[step * batch..((step + 1) * batch).min(order.len())];
            let samples = turns.iter().map(|&turn| loader.sample(epoch, turn)).collect::<Result<Vec<_>, _>>()?;
            Ok(make(samples))
        })
    }

    /// A crop as it comes up in an epoch.
    fn sample(&self, epoch: usize, turn: Turn) -> Result<Sample, DatasetError> {
        let LoaderOptions { seed: run, flips, swap, jitter: strength, shift, .. } = self.options;
        let index = turn.crop + turn.before * self.crops.len();
        let rng = |purpose| ChaCha8Rng::seed_from_u64(seed(run, purpose, epoch, index));
        let moved = if shift {
            let (mut rng, options) = (rng(Purpose::Shift), self.crops.options());
            let most = ((options.size - options.overlap) / 2) as i64;
            let mut by = || rng.random_range(-most..=most) as isize;
            (by(), by())
        } else {
            (0, 0)
        };
        let mut sample = self.crops.sample(turn.crop, moved)?;
        if flips {
            augment(&mut sample, swap, &mut rng(Purpose::Augment));
        }
        if strength > 0.0 {
            jitter(&mut sample, strength, &mut rng(Purpose::Jitter));
        }
        Ok(sample)
    }
}
