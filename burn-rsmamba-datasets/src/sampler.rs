//! Which crops an epoch takes, in which order, and the seeds of what is random about each.
//!
//! Everything is a function of a run's seed, the epoch and the place in it: a run that was stopped anywhere continues as if
//! it had not been.

use burn_dataset::Dataset;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::Crops;

/// What a seed is drawn for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The order of the crops.
    Order,
    /// The flips of a crop.
    Augment,
    /// Drop path in a step.
    Step,
    /// How far a crop is moved.
    Shift,
    /// The light of a crop.
    Jitter,
}

/// A seed for one purpose at one place of a run.
pub fn seed(run: u64, purpose: Purpose, epoch: usize, index: usize) -> u64 {
    [purpose as u64, epoch as u64, index as u64].into_iter().fold(mix(run), |state, word| mix(state ^ word))
}

/// `SplitMix64`: neighbouring numbers become unrelated ones.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// How an epoch takes its crops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// All of them, one after the other.
    InOrder,
    /// Shuffled: every crop with a marked pixel, and this part of the others, drawn anew each epoch.
    Shuffled {
        /// 0 to 1.
        keep_empty: f64,
    },
    /// Shuffled and as many as there are, this part of them with a marked pixel. Crops of a kind come again only when all
    /// of the kind have come; where there is one kind alone, it is all.
    Balanced {
        /// 0 to 1.
        positive: f64,
    },
}

/// Which crops an epoch takes, and in which order.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Whether each crop has a marked pixel.
    marked: Vec<bool>,
    draw: Draw,
}

/// A crop in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Which crop.
    pub crop: usize,
    /// How often it came before in this epoch.
    pub before: usize,
}

impl Sampler {
    /// Draws from these crops.
    pub fn new(crops: &Crops, draw: Draw) -> Self {
        Self { marked: (0..crops.len()).map(|index| crops.is_marked(index)).collect(), draw }
    }

    /// Crops of an epoch; never 0.
    pub fn len(&self) -> usize {
        match self.draw {
            Draw::InOrder | Draw::Balanced { .. } => self.marked.len(),
            Draw::Shuffled { keep_empty } => self.count(true) + self.kept_empty(keep_empty),
        }
    }

    /// Whether an epoch has no crops, which no set of crops allows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The crops of an epoch in order.
    pub fn order(&self, run: u64, epoch: usize) -> Vec<Turn> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed(run, Purpose::Order, epoch, 0));
        let once = |crop| Turn { crop, before: 0 };
        let mut all: Vec<usize> = (0..self.marked.len()).collect();
        match self.draw {
            Draw::InOrder => all.into_iter().map(once).collect(),
            Draw::Shuffled { keep_empty } => {
                all.shuffle(&mut rng);
                let mut left = self.kept_empty(keep_empty);
                all.retain(|&index| {
                    let keep = self.marked[index] || left > 0;
                    if !self.marked[index] {
                        left = left.saturating_sub(1);
                    }
                    keep
                });
                all.into_iter().map(once).collect()
            }
            Draw::Balanced { positive } => {
                let (marked, empty): (Vec<_>, Vec<_>) = all.into_iter().partition(|&index| self.marked[index]);
                let wanted = match (marked.len(), empty.len()) {
                    (0, _) => 0,
                    (count, 0) => count,
                    (marked, empty) => ((marked + empty) as f64 * positive).round() as usize,
                };
                let total = self.marked.len();
                let mut turns = in_turns(marked, wanted, &mut rng);
                turns.extend(in_turns(empty, total - wanted, &mut rng));
                turns.shuffle(&mut rng);
                turns
            }
        }
    }

    fn count(&self, marked: bool) -> usize {
        self.marked.iter().filter(|&&found| found == marked).count()
    }

    fn kept_empty(&self, part: f64) -> usize {
        let empty = self.count(false);
        // An epoch without any crop would have no loss.
        let least = usize::from(empty == self.marked.len());
        ((empty as f64 * part).round() as usize).clamp(least, empty)
    }
}

/// So many crops of one kind, all of them before any comes again.
fn in_turns(mut kind: Vec<usize>, count: usize, rng: &mut ChaCha8Rng) -> Vec<Turn> {
    let mut turns = Vec::with_capacity(count);
    for before in 0..count.div_ceil(kind.len().max(1)) {
        kind.shuffle(rng);
        turns.extend(kind.iter().take(count - turns.len()).map(|&crop| Turn { crop, before }));
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sampler(marked: &[bool], draw: Draw) -> Sampler {
        Sampler { marked: marked.to_vec(), draw }
    }

    fn crops(sampler: &Sampler, run: u64, epoch: usize) -> Vec<usize> {
        let order = sampler.order(run, epoch);
        assert_eq!(order.len(), sampler.len());
        order.into_iter().map(|turn| turn.crop).collect()
    }

    #[test]
    fn an_epoch_takes_every_crop_once_in_an_order_of_its_own() {
        let sampler = sampler(&[true; 50], Draw::Shuffled { keep_empty: 1.0 });
        let first = crops(&sampler, 42, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(first, crops(&sampler, 42, 1));
        assert_ne!(first, crops(&sampler, 42, 2));
        assert_ne!(first, crops(&sampler, 43, 1));
    }

    #[test]
    fn the_order_of_a_seed_stays_what_it_is() {
        // Runs of earlier versions go on with it.
        let sampler = sampler(&[true; 8], Draw::Shuffled { keep_empty: 1.0 });
        assert_eq!(crops(&sampler, 42, 1), [4, 2, 5, 1, 0, 3, 7, 6]);
    }

    #[test]
    fn empty_crops_are_left_out_in_part_and_drawn_anew() {
        let marked: Vec<bool> = (0..100).map(|index| index % 5 == 0).collect();
        let quarter = sampler(&marked, Draw::Shuffled { keep_empty: 0.25 });
        assert_eq!(quarter.len(), 40);
        let empty = |epoch| -> Vec<usize> {
            let order = crops(&quarter, 1, epoch);
            assert_eq!(order.iter().filter(|&&index| marked[index]).count(), 20);
            order.into_iter().filter(|&index| !marked[index]).collect()
        };
        assert_ne!(empty(1), empty(2));
        let none = Draw::Shuffled { keep_empty: 0.0 };
        assert_eq!(sampler(&[false; 3], none).len(), 1, "an epoch is never empty");
        assert_eq!(crops(&sampler(&[false, true], none), 1, 1), [1]);
    }

    #[test]
    fn a_balanced_epoch_has_the_share_that_was_asked_for_and_takes_turns() {
        let marked: Vec<bool> = (0..100).map(|index| index < 10).collect();
        let half = sampler(&marked, Draw::Balanced { positive: 0.5 });
        let order = half.order(3, 1);
        assert_eq!(order.len(), 100);
        let turns: BTreeSet<_> = order.iter().map(|turn| (turn.crop, turn.before)).collect();
        assert_eq!(turns.len(), 100, "no crop twice with the same seeds");
        for crop in 0..10 {
            assert_eq!(order.iter().filter(|turn| turn.crop == crop).count(), 5, "crop {crop}");
        }
        assert_eq!(order.iter().filter(|turn| turn.crop >= 10).count(), 50);
        assert_ne!(order, half.order(3, 2));
        for kind in [true, false] {
            let one = sampler(&[kind; 7], Draw::Balanced { positive: 0.5 });
            assert_eq!(one.order(1, 1).len(), 7, "one kind alone is all");
        }
    }

    #[test]
    fn seeds_differ_by_everything_they_depend_on() {
        let seeds = [
            seed(42, Purpose::Step, 1, 0),
            seed(42, Purpose::Augment, 1, 0),
            seed(42, Purpose::Step, 2, 0),
            seed(42, Purpose::Step, 1, 1),
            seed(43, Purpose::Step, 1, 0),
        ];
        for (index, one) in seeds.iter().enumerate() {
            assert!(!seeds[index + 1..].contains(one));
        }
    }
}
