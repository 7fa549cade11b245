//! `last.state`: everything a run needs to go on, in one file, and `previous.state`, the one before.
//!
//! The weights are in it once more, with the identities the optimiser knows them by, so that weights, optimiser and
//! schedule can never come from different moments: the file is written aside and renamed as one.
//!
//! It is the one record of where a run stands. Weights of good epochs are written before it, under the epoch's name; the
//! names `best.safetensors` and so on follow it, and are set again when a run goes on. So it does not matter when the process
//! ends.
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
use crate::progress::Progress;
use crate::run_folder::RunFolder;

const MAGIC: &[u8; 8] = b"RSMSTA02";

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The epoch under way, from 1.
    pub(crate) epoch: usize,
    /// Its steps that are done.
    pub(crate) steps: usize,
    /// Its samples that are done.
    pub(crate) samples: usize,
    /// The sum of their losses.
    pub(crate) loss_sum: f64,
    /// Seconds spent on it.
    pub(crate) seconds: f64,
    /// Where the learning rate stands.
    pub(crate) position: Position,
    /// The best validations so far, the best first.
    pub(crate) best: Vec<Validated>,
    /// The one of the lowest loss.
    pub(crate) lowest_loss: Option<Validated>,
    /// The epochs whose weights the state before this one names: it must stay good for as long as it may be needed.
    pub(crate) named_before: Vec<usize>,
    /// Validations since the best one.
    pub(crate) since_best: usize,
    /// Steps left out because their loss or gradient was no number.
    pub(crate) skipped: usize,
    /// Probability from which a pixel is marked, of the last validation.
    #[serde(default)]
    pub(crate) threshold: Option<f32>,
}

/// An epoch that was validated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Validated {
    /// The epoch.
    pub(crate) epoch: usize,
    /// Its F1.
    pub(crate) f1: f64,
    /// Its loss, which decides between equal F1.
    pub(crate) loss: f64,
}

impl Validated {
    fn is_better_than(&self, other: &Self) -> bool {
        (self.f1, -self.loss) > (other.f1, -other.loss)
    }
}

impl State {
    /// The start of a run.
    pub(crate) fn start() -> Self {
        Self {
            epoch: 1,
            steps: 0,
            samples: 0,
            loss_sum: 0.0,
            seconds: 0.0,
            position: Position::default(),
            best: Vec::new(),
            lowest_loss: None,
            named_before: Vec::new(),
            since_best: 0,
            skipped: 0,
            threshold: None,
        }
    }

    /// Moves on to the next epoch.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch += 1;
        (self.steps, self.samples) = (0, 0);
        (self.loss_sum, self.seconds) = (0.0, 0.0);
    }

    /// Takes note of a validation; says whether it is the best so far.
    pub(crate) fn observe(&mut self, found: Validated, keep_best: usize) -> bool {
        let place = self.best.iter().position(|kept| found.is_better_than(kept)).unwrap_or(self.best.len());
        self.best.insert(place, found);
        self.best.truncate(keep_best);
        if self.lowest_loss.is_none_or(|lowest| found.loss < lowest.loss) {
            self.lowest_loss = Some(found);
        }
        self.since_best = if place == 0 { 0 } else { self.since_best + 1 };
        place == 0
    }

    /// The epochs whose weights this state names.
    pub(crate) fn named_epochs(&self) -> Vec<usize> {
        self.best.iter().chain(&self.lowest_loss).map(|kept| kept.epoch).collect()
    }

    /// The mean loss of the samples so far.
    pub(crate) fn train_loss(&self) -> f64 {
        self.loss_sum / self.samples.max(1) as f64
    }
}

/// What a state file gives back.
pub(crate) type Loaded = (State, RsmModel, ModuleOptimizer);

/// Writes the state of a run, then the names of its best weights.
///
/// # Errors
///
/// When a file cannot be written; the state before stays.
pub(crate) fn save(
    run: &RunFolder,
    state: &State,
    model: &RsmModel,
    optimizer: &ModuleOptimizer,
) -> anyhow::Result<()> {
    let weights = model.clone().into_record().into_bytes()?;
    let optimizer = optimizer.into_bytes()?;
    let header = serde_json::to_vec(state)?;
    run.write_state(&pack([&header, &weights, &optimizer]))?;
    name_weights(run, state)
}

/// Lets the run folder show what the state says.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn name_weights(run: &RunFolder, state: &State) -> anyhow::Result<()> {
    for (name, validated) in [(run.best(), state.best.first()), (run.best_loss(), state.lowest_loss.as_ref())] {
        if let Some(validated) = validated {
            run.point(&name, validated.epoch)?;
        }
    }
    run.keep_weights_of(&[state.named_epochs(), state.named_before.clone()].concat())
}

/// Reads the newest state that is whole into a model and an optimiser of the same settings; damaged ones are named.
///
/// # Errors
///
/// When no state is whole, or it is of a model of other settings; the message names the file.
pub(crate) fn load(
    run: &RunFolder,
    model: &RsmModel,
    optimizer: &ModuleOptimizer,
    progress: &Progress,
) -> anyhow::Result<Loaded> {
    let mut damage = Vec::new();
    for path in run.states().iter().filter(|path| path.is_file()) {
        match Parts::read(path) {
            Ok(parts) => {
                for cause in damage {
                    progress.warn(format!("{cause:#}; going on from {}", path.display()));
                }
                return parts.put_into(path, model.clone(), optimizer.clone());
            }
            Err(cause) => damage.push(cause),
        }
    }
    let causes: Vec<String> = damage.iter().map(|cause| format!("{cause:#}")).collect();
    bail!("{}; start the run again with --force, or from its weights with --init-from", causes.join("; "))
}

/// The parts of a state file, checked and decoded.
struct Parts {
    state: State,
    weights: ModuleRecord,
    optimizer: OptimizerRecord,
}

impl Parts {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let damaged = || format!("{} is damaged", path.display());
        let [state, weights, optimizer] = unpack(&bytes).with_context(damaged)?;
        let part = |bytes: &[u8]| Bytes::from_bytes_vec(bytes.to_vec());
        Ok(Self {
            state: serde_json::from_slice(state).with_context(damaged)?,
            weights: ModuleRecord::from_bytes(part(weights)).with_context(damaged)?,
            optimizer: OptimizerRecord::from_bytes(part(optimizer)).with_context(damaged)?,
        })
    }

    fn put_into(self, path: &Path, model: RsmModel, optimizer: ModuleOptimizer) -> anyhow::Result<Loaded> {
        let model = model.try_load_record(self.weights).map_err(|_| {
            anyhow!(
                "{} belongs to a model of other settings than asked for; resume without changing the model",
                path.display()
            )
        })?;
        Ok((self.state, model, optimizer.load_record(self.optimizer)))
    }
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
    fn the_best_validations_are_kept_in_order() {
        let mut state = State::start();
        let mut observe = |epoch, f1, loss| state.observe(Validated { epoch, f1, loss }, 2);
        assert!(observe(1, 0.5, 0.9));
        assert!(!observe(2, 0.5, 0.9), "an equal one is not better");
        assert!(observe(3, 0.5, 0.8), "the loss decides between equal F1");
        assert!(!observe(4, 0.4, 0.1));
        assert_eq!(state.best.iter().map(|kept| kept.epoch).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(state.named_epochs(), [3, 1, 4]);
        assert_eq!(state.since_best, 1);
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
