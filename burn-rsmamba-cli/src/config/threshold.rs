//! The threshold among the settings: a number, or the best one on the validation split.

use serde::{Deserialize, Serialize};

use crate::cli::parse_threshold;

/// Probability from which a pixel is marked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "threshold must be \"best\" or a probability between 0 and 1")]
pub(crate) enum Threshold {
    /// This one.
    Fixed(f64),
    /// One that a sweep finds.
    Swept(Sweep),
}

/// What a sweep looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sweep {
    /// The best F1 on the validation split.
    #[serde(rename = "best")]
    Best,
}

impl Threshold {
    /// The best F1 on the validation split.
    pub(crate) const BEST: Self = Self::Swept(Sweep::Best);

    /// The threshold before any validation.
    pub(crate) fn initial(self) -> f64 {
        match self {
            Self::Fixed(threshold) => threshold,
            Self::Swept(Sweep::Best) => 0.5,
        }
    }

    /// Whether it can be one.
    pub(crate) fn is_usable(self) -> bool {
        let threshold = self.initial();
        threshold > 0.0 && threshold < 1.0
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "best" => Ok(Self::BEST),
            number => parse_threshold(number).map(Self::Fixed).map_err(|error| format!("{error}, or best")),
        }
    }
}
