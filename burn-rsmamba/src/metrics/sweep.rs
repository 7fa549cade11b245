//! Every threshold at once.

use super::Confusion;

/// Steps between two thresholds. A power of two: `probability * STEPS` and `step / STEPS` are exact, so a sweep counts what
/// comparing with its threshold would.
const STEPS: usize = 1024;

/// Histograms of the probabilities of positive and of negative pixels: what a mask would score at any threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThresholdSweep {
    positives: Vec<u64>,
    negatives: Vec<u64>,
}

/// A threshold and what a mask scores with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swept {
    /// Probability from which a pixel is positive.
    pub threshold: f32,
    /// The mask of this threshold against the truth.
    pub counts: Confusion,
}

impl Default for ThresholdSweep {
    fn default() -> Self {
        Self { positives: vec![0; STEPS + 1], negatives: vec![0; STEPS + 1] }
    }
}

impl ThresholdSweep {
    /// Counts pairs of probability (0 to 1) and truth.
    pub fn count(&mut self, probabilities: impl Iterator<Item = f32>, truth: impl Iterator<Item = bool>) {
        for (probability, truth) in probabilities.zip(truth) {
            let histogram = if truth { &mut self.positives } else { &mut self.negatives };
            histogram[(probability.clamp(0.0, 1.0) * STEPS as f32) as usize] += 1;
        }
    }

    /// The scores at thresholds 1/1024, 2/1024 and so on below 1.
    pub fn thresholds(&self) -> impl Iterator<Item = Swept> {
        let [positives, negatives] = [&self.positives, &self.negatives].map(|steps| steps.iter().sum::<u64>());
        let (mut fn_, mut tn) = (0, 0);
        (1..STEPS).map(move |step| {
            fn_ += self.positives[step - 1];
            tn += self.negatives[step - 1];
            let counts = Confusion { tp: positives - fn_, fp: negatives - tn, fn_, tn };
            Swept { threshold: step as f32 / STEPS as f32, counts }
        })
    }

    /// The threshold of the best F1; of equal ones the one nearest to 0.5, which it is too without a positive pixel.
    pub fn best(&self) -> Swept {
        let from_half = |swept: &Swept| (swept.threshold - 0.5).abs();
        let better = |best: Swept, next: Swept| {
            let order = next.counts.f1().total_cmp(&best.counts.f1());
            if order.then(from_half(&best).total_cmp(&from_half(&next))).is_gt() { next } else { best }
        };
        self.thresholds().reduce(better).expect("there are thresholds")
    }
}

impl std::ops::AddAssign<&Self> for ThresholdSweep {
    fn add_assign(&mut self, other: &Self) {
        let all = self.positives.iter_mut().chain(&mut self.negatives);
        all.zip(other.positives.iter().chain(&other.negatives)).for_each(|(pixels, other)| *pixels += other);
    }
}
