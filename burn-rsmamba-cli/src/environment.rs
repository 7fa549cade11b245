//! What a run ran on.

use burn::tensor::Device;
use burn_rsmamba::Precision;
use serde::Serialize;

use crate::training::checkpoint::State;

/// A line of `environment.jsonl`: one a start of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    /// Where this start went on.
    epoch: usize,
    steps: usize,
    version: &'static str,
    /// Of the source, where it was built from a repository.
    commit: Option<&'static str>,
    device: String,
    arithmetic: Precision,
    threads: usize,
    system: &'static str,
    processor: &'static str,
}

impl Environment {
    /// Of this process, which goes on from a state.
    pub(crate) fn new(device: &Device, arithmetic: Precision, from: &State) -> Self {
        Self {
            epoch: from.epoch,
            steps: from.steps,
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("BURN_RSMAMBA_COMMIT"),
            device: format!("{device:?}"),
            arithmetic,
            threads: rayon::current_num_threads(),
            system: std::env::consts::OS,
            processor: std::env::consts::ARCH,
        }
    }
}
