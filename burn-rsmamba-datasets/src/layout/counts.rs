//! How many scenes the published datasets have.

use crate::{DatasetWarning, Split};

/// The scenes of a published dataset: train, val and test.
pub(super) struct Counts {
    pub(super) name: &'static str,
    pub(super) scenes: [usize; 3],
    /// How many more a split may have: sources disagree.
    pub(super) slack: usize,
}

/// A warning, where a split has another number of scenes than every published dataset of its layout.
pub(super) fn check(known: &[Counts], split: Split, found: usize) -> Option<DatasetWarning> {
    let published = |counts: &Counts| counts.scenes[split as usize];
    let fits = |counts: &Counts| (published(counts)..=published(counts) + counts.slack).contains(&found);
    if known.is_empty() || known.iter().any(fits) {
        return None;
    }
    let known = known.iter().map(|counts| (counts.name, published(counts))).collect();
    Some(DatasetWarning::Count { split, found, known })
}
