//! What a run ran on.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_rsmamba::Precision;
use serde::Serialize;

use crate::config::Change;
use crate::model_file;
use crate::training::checkpoint::State;

/// The file of weights that a run began with, as it was then.
#[derive(Debug, Serialize)]
pub(crate) struct InitialWeights {
    file: PathBuf,
    bytes: u64,
    crc32: String,
}

impl InitialWeights {
    /// Reads all of the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let (bytes, crc32) = model_file::checksum(path)?;
        Ok(Self { file: std::path::absolute(path)?, bytes, crc32: format!("{crc32:08x}") })
    }
}

/// A line of `environment.jsonl`: one a start of the run.
#[derive(Debug, Serialize)]
pub(crate) struct Environment<'a> {
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
    /// Settings that differ from those of the start before.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changed: &'a [Change],
    #[serde(skip_serializing_if = "Option::is_none")]
    init_from: Option<InitialWeights>,
}

impl<'a> Environment<'a> {
    /// Of this process, which goes on from a state.
    pub(crate) fn new(
        device: &Device,
        arithmetic: Precision,
        from: &State,
        changed: &'a [Change],
        init_from: Option<InitialWeights>,
    ) -> Self {
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
            changed,
            init_from,
        }
    }
}
