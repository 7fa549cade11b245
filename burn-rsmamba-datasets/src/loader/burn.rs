//! Burn's `DataLoader` over a [`Loader`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_core::data::dataloader::batcher::Batcher;
use burn_core::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn_core::tensor::Device;

use super::{Loader, Ordered};
use crate::{DatasetError, Sample};

/// A [`Loader`] with the [`Batcher`] that makes tensors of its samples: Burn's [`DataLoader`], with batches that repeat.
///
/// Every call of `iter` is an epoch: the first is the one it starts at, from the step it starts at, and each later one the
/// next, from its beginning. Samples are decoded and varied by worker threads; the batcher runs on the thread that takes
/// the batches, which is the one whose stream the device then computes on.
pub struct TensorLoader<O> {
    loader: Loader,
    batcher: Arc<dyn Batcher<Sample, O>>,
    device: Device,
    first: (usize, usize),
    started: AtomicUsize,
}

impl<O> TensorLoader<O> {
    /// Batches on a device, from epoch 1 on.
    pub fn new(loader: Loader, batcher: Arc<dyn Batcher<Sample, O>>, device: Device) -> Self {
        Self { loader, batcher, device, first: (1, 0), started: AtomicUsize::new(0) }
    }

    /// Starts at a step, counted from 0, of an epoch.
    #[must_use]
    pub fn starting_at(self, epoch: usize, step: usize) -> Self {
        Self { first: (epoch, step), started: AtomicUsize::new(0), ..self }
    }

    fn with(&self, loader: Loader, device: Device) -> Self {
        let started = AtomicUsize::new(self.started.load(Ordering::SeqCst));
        Self { loader, batcher: self.batcher.clone(), device, first: self.first, started }
    }
}

impl<O: Send + 'static> DataLoader<O> for TensorLoader<O> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<O> + 'a> {
        let started = self.started.fetch_add(1, Ordering::SeqCst);
        let (epoch, step) = (self.first.0 + started, if started == 0 { self.first.1 } else { 0 });
        let done = (step * self.loader.options().batch).min(self.loader.items());
        Box::new(Batches { ordered: self.loader.batches(epoch, step, |samples| samples), loader: self, done })
    }

    fn num_items(&self) -> usize {
        self.loader.items()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.with(self.loader.clone(), device.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<O>> {
        Arc::new(self.with(self.loader.slice(start..end), self.device.clone()))
    }
}

struct Batches<'a, O> {
    ordered: Ordered<Result<Vec<Sample>, DatasetError>>,
    loader: &'a TensorLoader<O>,
    done: usize,
}

impl<O> Iterator for Batches<'_, O> {
    type Item = Result<O, burn_dataset::DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.ordered.next()? {
            Ok(samples) => {
                self.done += samples.len();
                Ok(self.loader.batcher.batch(samples, &self.loader.device))
            }
            Err(error) => Err(burn_dataset::DatasetError::new(error)),
        })
    }
}

impl<O> DataLoaderIterator<O> for Batches<'_, O> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.loader.loader.items(), Some("items".into()))
    }
}
