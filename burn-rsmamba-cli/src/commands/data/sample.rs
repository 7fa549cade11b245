//! `data sample`: a small random part of a dataset.

use std::collections::BTreeMap;

use burn_rsmamba_datasets::{Purpose, seed};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::place::Copies;
use super::source::{self, parts};
use crate::cli::SampleArgs;
use crate::error::Outcome;
use crate::progress::Progress;

/// Copies some scenes of every split, drawn by the seed.
pub(super) fn run(args: &SampleArgs, progress: &mut Progress) -> Outcome {
    let (mut copies, mut counts) = (Copies::default(), BTreeMap::new());
    for (number, part) in parts(&args.write.source, progress)?.into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed(args.draw.seed, Purpose::Order, number, 0));
        let mut order: Vec<usize> = (0..part.set.scenes.len()).collect();
        order.shuffle(&mut rng);
        order.truncate(args.count);
        let folder = part.folder(&args.write.out);
        for &index in &order {
            for (path, to) in source::copies(&part.set.scenes[index])? {
                copies.add(path, folder.join(to))?;
            }
        }
        counts.insert(part.name(), order.len());
    }
    copies.apply(args.write.apply, counts, progress)?.print(&args.write.out, progress)
}
