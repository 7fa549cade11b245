use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Semantic segmentation of one image: RSM-SS.
    Ss,
    /// Change detection between two dates: RSM-CD.
    Cd,
}

impl Task {
    /// Images of one sample.
    pub const fn dates(self) -> usize {
        match self {
            Self::Ss => 1,
            Self::Cd => 2,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ss => "ss",
            Self::Cd => "cd",
        })
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ss" => Ok(Self::Ss),
            "cd" => Ok(Self::Cd),
            _ => Err(format!("`{text}` is not a task: use ss (segmentation) or cd (change detection)")),
        }
    }
}
