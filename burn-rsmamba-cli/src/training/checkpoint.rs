//! `last.state`: everything a run needs to go on, in one file.
//!
//! The weights are in it once more, with the identities the optimiser knows them by, so that weights, optimiser and
//! schedule can never come from different moments: the file is written aside and renamed as one.
//!
//! Layout, numbers little-endian: magic, checksum of the rest (u64), then three parts, each a length (u64) and its
//! bytes: the [`State`] as JSON, the weights and the optimiser as Burn packs.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn_rsmamba::RsmModel;
use serde::{Deserialize, Serialize};

use super::schedule::Position;
use crate::run_folder::write_atomically;

const MAGIC: &[u8; 8] = b"RSMSTA01";

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The epoch under way, from 1.
    pub(crate) epoch: usize,
    /// Its batches that are done.
    pub(crate) batches: usize,
    /// Its samples that are done.
    pub(crate) samples: usize,
    /// The sum of their losses.
    pub(crate) loss_sum: f64,
    /// Seconds spent on it.
    pub(crate) seconds: f64,
    /// Where the learning rate stands.
    pub(crate) position: Position,
    /// The best validation so far.
    pub(crate) best: Option<Best>,
    /// The lowest validation loss so far.
    pub(crate) lowest_loss: Option<f64>,
}

/// A validation that was better than all before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// Its epoch.
    pub(crate) epoch: usize,
    /// Its F1.
    pub(crate) f1: f64,
    /// Its loss, which decides between equal F1.
    pub(crate) loss: f64,
}

impl State {
    /// The start of a run.
    pub(crate) fn start() -> Self {
        Self {
            epoch: 1,
            batches: 0,
            samples: 0,
            loss_sum: 0.0,
            seconds: 0.0,
            position: Position::default(),
            best: None,
            lowest_loss: None,
        }
    }

    /// Moves on to the next epoch.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch += 1;
        (self.batches, self.samples) = (0, 0);
        (self.loss_sum, self.seconds) = (0.0, 0.0);
    }

    /// The mean loss of the samples so far.
    pub(crate) fn train_loss(&self) -> f64 {
        self.loss_sum / self.samples.max(1) as f64
    }
}

/// Writes the state of a run.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn save(path: &Path, state: &State, model: &RsmModel, optimizer: &ModuleOptimizer) -> anyhow::Result<()> {
    let weights = model.clone().into_record().into_bytes()?;
    let optimizer = optimizer.into_bytes()?;
    let header = serde_json::to_vec(state)?;
    write_atomically(path, &pack([&header, &weights, &optimizer]))
}

/// Reads the state of a run into a model and an optimiser of the same settings.
///
/// # Errors
///
/// When the file is missing, damaged, or of a model of other settings; the message names it.
pub(crate) fn load(
    path: &Path,
    model: RsmModel,
    optimizer: ModuleOptimizer,
) -> anyhow::Result<(State, RsmModel, ModuleOptimizer)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let damaged = |cause: &dyn std::fmt::Display| {
        anyhow!(
            "{} is damaged ({cause}); start the run again with --force, or from its weights with --init-from",
            path.display()
        )
    };
    let [header, weights, optimizer_bytes] = unpack(&bytes).map_err(|cause| damaged(&cause))?;
    let state = serde_json::from_slice(header).map_err(|cause| damaged(&cause))?;
    let weights = ModuleRecord::from_bytes(Bytes::from_bytes_vec(weights.to_vec())).map_err(|cause| damaged(&cause))?;
    let record = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(optimizer_bytes.to_vec()))
        .map_err(|cause| damaged(&cause))?;
    let model = model.try_load_record(weights).map_err(|_| {
        anyhow!(
            "{} belongs to a model of other settings than asked for; resume without changing the model",
            path.display()
        )
    })?;
    Ok((state, model, optimizer.load_record(record)))
}

fn pack(parts: [&[u8]; 3]) -> Vec<u8> {
    let mut body = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        body.extend((part.len() as u64).to_le_bytes());
        body.extend(part);
    }
    let mut bytes = Vec::with_capacity(body.len() + 16);
    bytes.extend(MAGIC);
    bytes.extend(checksum(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn unpack(bytes: &[u8]) -> anyhow::Result<[&[u8]; 3]> {
    let (magic, rest) = bytes.split_at_checked(MAGIC.len()).context("it is cut off")?;
    if magic != MAGIC {
        bail!("it is no state file of this version");
    }
    let (sum, mut body) = number(rest)?;
    if checksum(body) != sum {
        bail!("its checksum is wrong");
    }
    let mut parts = [&[][..]; 3];
    for part in &mut parts {
        let (length, rest) = number(body)?;
        (*part, body) = rest.split_at_checked(usize::try_from(length)?).context("it is cut off")?;
    }
    Ok(parts)
}

fn number(bytes: &[u8]) -> anyhow::Result<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk().context("it is cut off")?;
    Ok((u64::from_le_bytes(*number), rest))
}

/// FNV-1a over words: fast, and any single damaged byte changes it.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01B3;
    let mut words = bytes.chunks_exact(8);
    let mut sum = 0xCBF2_9CE4_8422_2325 ^ bytes.len() as u64;
    for word in &mut words {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        sum = (sum ^ word).wrapping_mul(PRIME);
    }
    words.remainder().iter().fold(sum, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_were() {
        let bytes = pack([b"{}", b"weights", b""]);
        assert_eq!(unpack(&bytes).unwrap(), [&b"{}"[..], b"weights", b""]);
    }

    #[test]
    fn any_damage_is_an_error() {
        let bytes = pack([b"{}", b"some weights", b"moments"]);
        for length in 0..bytes.len() {
            assert!(unpack(&bytes[..length]).is_err(), "cut at {length}");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(unpack(&damaged).is_err(), "byte {index}");
        }
    }

    #[test]
    fn the_mean_loss_is_over_samples() {
        let mut state = State::start();
        assert_eq!(state.train_loss().to_bits(), 0.0_f64.to_bits());
        (state.loss_sum, state.samples) = (3.0, 4);
        assert_eq!(state.train_loss().to_bits(), 0.75_f64.to_bits());
        state.next_epoch();
        assert_eq!((state.epoch, state.samples), (2, 0));
    }
}
