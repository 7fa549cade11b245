//! Several classes.

use super::Confusion;
use serde::{Deserialize, Serialize};

/// Pixels by true and predicted class. Serialised as its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row by row: the true class is the row, the predicted one the column.
    pixels: Vec<u64>,
}

impl ConfusionMatrix {
    /// No pixels yet, of so many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, pixels: vec![0; classes * classes] }
    }

    /// Counts pairs of predicted and true class.
    ///
    /// # Panics
    ///
    /// When a class is not below the number of classes.
    pub fn count(&mut self, predicted: impl Iterator<Item = usize>, truth: impl Iterator<Item = usize>) {
        for (predicted, truth) in predicted.zip(truth) {
            let classes = self.classes;
            assert!(predicted < classes && truth < classes, "ConfusionMatrix: {predicted} or {truth} of {classes}");
            self.pixels[truth * classes + predicted] += 1;
        }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All pixels.
    pub fn total(&self) -> u64 {
        self.pixels.iter().sum()
    }

    /// Pixels of a true class, by predicted class.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    pub fn row(&self, truth: usize) -> &[u64] {
        &self.pixels[truth * self.classes..][..self.classes]
    }

    /// One class against all others.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    pub fn class(&self, class: usize) -> Confusion {
        let tp = self.row(class)[class];
        let truly: u64 = self.row(class).iter().sum();
        let predicted = self.predicted(class);
        Confusion { tp, fp: predicted - tp, fn_: truly - tp, tn: self.total() + tp - truly - predicted }
    }

    /// The mean of a score over the classes that occur, in truth or in prediction; 0 where none does.
    ///
    /// ```
    /// use burn_rsmamba::metrics::{Confusion, ConfusionMatrix};
    ///
    /// let mut counts = ConfusionMatrix::new(3);
    /// counts.count([0, 1, 1, 0].into_iter(), [0, 1, 0, 0].into_iter());
    /// // Class 2 occurs nowhere.
    /// assert_eq!(counts.mean(Confusion::recall), (2.0 / 3.0 + 1.0) / 2.0);
    /// ```
    pub fn mean(&self, score: impl Fn(&Confusion) -> f64) -> f64 {
        let classes = (0..self.classes).map(|class| self.class(class));
        let occurring: Vec<f64> = classes.filter(|counts| counts.tn < counts.total()).map(|c| score(&c)).collect();
        occurring.iter().sum::<f64>() / occurring.len().max(1) as f64
    }

    /// Overall accuracy: the share of pixels whose class was found.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes).map(|class| self.row(class)[class]).sum();
        if self.total() == 0 { 0.0 } else { right as f64 / self.total() as f64 }
    }

    /// Cohen's kappa: agreement beyond chance.
    pub fn kappa(&self) -> f64 {
        let all = self.total() as f64;
        if all == 0.0 {
            return 0.0;
        }
        let both = |class: usize| self.row(class).iter().sum::<u64>() as f64 * self.predicted(class) as f64;
        let chance = (0..self.classes).map(both).sum::<f64>() / (all * all);
        if (1.0 - chance).abs() < f64::EPSILON { 0.0 } else { (self.accuracy() - chance) / (1.0 - chance) }
    }

    fn predicted(&self, class: usize) -> u64 {
        self.pixels.iter().skip(class).step_by(self.classes).sum()
    }
}

/// Rows by true class; they must be as long as there are rows.
impl TryFrom<Vec<Vec<u64>>> for ConfusionMatrix {
    type Error = String;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self, String> {
        let classes = rows.len();
        match rows.iter().find(|row| row.len() != classes) {
            Some(row) => Err(format!("a matrix of {classes} rows has a row of {} numbers", row.len())),
            None => Ok(Self { classes, pixels: rows.concat() }),
        }
    }
}

impl From<ConfusionMatrix> for Vec<Vec<u64>> {
    fn from(counts: ConfusionMatrix) -> Self {
        (0..counts.classes).map(|class| counts.row(class).to_vec()).collect()
    }
}

impl std::ops::AddAssign<&Self> for ConfusionMatrix {
    /// # Panics
    ///
    /// When the numbers of classes differ.
    fn add_assign(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "ConfusionMatrix: different numbers of classes");
        self.pixels.iter_mut().zip(&other.pixels).for_each(|(pixels, other)| *pixels += other);
    }
}
