//! Two classes: a mask against its truth.

use serde::{Deserialize, Serialize};

/// Pixel counts of a binary mask against its truth; scores come from counts of a whole split, never from averages of batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// True positives.
    pub tp: u64,
    /// False positives.
    pub fp: u64,
    /// False negatives.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// True negatives.
    pub tn: u64,
}

impl Confusion {
    /// Counts pairs of prediction and truth.
    pub fn count(predicted: impl Iterator<Item = bool>, truth: impl Iterator<Item = bool>) -> Self {
        predicted.zip(truth).fold(Self::default(), |mut counts, pair| {
            match pair {
                (true, true) => counts.tp += 1,
                (true, false) => counts.fp += 1,
                (false, true) => counts.fn_ += 1,
                (false, false) => counts.tn += 1,
            }
            counts
        })
    }

    /// All pixels.
    pub fn total(&self) -> u64 {
        self.tp + self.fp + self.fn_ + self.tn
    }

    /// `TP / (TP + FP)`; 0 where nothing was predicted.
    pub fn precision(&self) -> f64 {
        ratio(self.tp, self.tp + self.fp)
    }

    /// `TP / (TP + FN)`; 0 where nothing was there.
    pub fn recall(&self) -> f64 {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// `2 TP / (2 TP + FP + FN)`.
    pub fn f1(&self) -> f64 {
        ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn_)
    }

    /// Intersection over union of the positive class: `TP / (TP + FP + FN)`.
    pub fn iou(&self) -> f64 {
        ratio(self.tp, self.tp + self.fp + self.fn_)
    }

    /// Overall accuracy: `(TP + TN) / all`.
    pub fn accuracy(&self) -> f64 {
        ratio(self.tp + self.tn, self.total())
    }

    /// Cohen's kappa: agreement beyond chance.
    pub fn kappa(&self) -> f64 {
        let all = self.total() as f64;
        if all == 0.0 {
            return 0.0;
        }
        let (tp, fp, fn_, tn) = (self.tp as f64, self.fp as f64, self.fn_ as f64, self.tn as f64);
        let chance = ((tp + fp) * (tp + fn_) + (fn_ + tn) * (fp + tn)) / (all * all);
        if (1.0 - chance).abs() < f64::EPSILON { 0.0 } else { (self.accuracy() - chance) / (1.0 - chance) }
    }
}

impl std::ops::AddAssign for Confusion {
    fn add_assign(&mut self, other: Self) {
        self.tp += other.tp;
        self.fp += other.fp;
        self.fn_ += other.fn_;
        self.tn += other.tn;
    }
}

impl std::ops::Add for Confusion {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    #[test]
    fn scores_of_a_worked_example() {
        let counts = Confusion { tp: 30, fp: 10, fn_: 20, tn: 40 };
        let close = |actual: f64, expected: f64| assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");
        close(counts.precision(), 0.75);
        close(counts.recall(), 0.6);
        close(counts.f1(), 2.0 / 3.0);
        close(counts.iou(), 0.5);
        close(counts.accuracy(), 0.7);
        close(counts.kappa(), 0.4);
    }

    #[test]
    fn empty_and_degenerate_counts_score_zero_not_nan() {
        for counts in [Confusion::default(), Confusion { tn: 9, ..Confusion::default() }] {
            let scores = [counts.precision(), counts.recall(), counts.f1(), counts.iou(), counts.kappa()];
            assert!(scores.iter().all(|score| score.abs() < f64::EPSILON), "{scores:?}");
        }
    }

    #[test]
    fn counting_matches_a_table() {
        let predicted = [true, true, false, false, true];
        let truth = [true, false, true, false, true];
        let counts = Confusion::count(predicted.into_iter(), truth.into_iter());
        assert_eq!(counts, Confusion { tp: 2, fp: 1, fn_: 1, tn: 1 });
    }
}
