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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn_rsmamba::RsmModel;
use serde::{Deserialize, Serialize};

use super::schedule::Position;
use crate::progress::Progress;
use crate::run_folder::{Moment, RunFolder};

const MAGIC: &[u8; 8] = b"RSMSTA03";
/// What all versions begin with.
const FAMILY: &[u8] = b"RSMSTA";

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
    /// The best validation that was not due, most often in the middle of an epoch, where the time was over. The schedule and the counts know nothing of it, so that
    /// a run that goes on is the same as one in a piece; its weights may still be the best.
    pub(crate) early: Option<Validated>,
    /// The weights that the state before this one names: it must stay good for as long as it may be needed.
    pub(crate) named_before: Vec<Moment>,
    /// What decides which crops a step takes: a run can go on in the middle of an epoch only where nothing of it has changed.
    pub(crate) drawn: BTreeMap<String, String>,
    /// Validations since the best one; an equal F1 of a lower loss is better too.
    pub(crate) since_best: usize,
    /// Steps left out because their loss or gradient was no number.
    pub(crate) skipped: usize,
    /// How many of them came last, one after the other.
    pub(crate) skipped_in_a_row: usize,
    /// Probability from which a pixel is marked, of the last validation.
    #[serde(default)]
    pub(crate) threshold: Option<f32>,
}

/// A moment that was validated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Validated {
    /// When.
    pub(crate) moment: Moment,
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
            early: None,
            named_before: Vec::new(),
            drawn: BTreeMap::new(),
            since_best: 0,
            skipped: 0,
            skipped_in_a_row: 0,
            threshold: None,
        }
    }

    /// Moves on to the next epoch.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch += 1;
        self.begin_epoch();
    }

    /// Forgets what was done of the epoch under way.
    fn begin_epoch(&mut self) {
        (self.steps, self.samples) = (0, 0);
        (self.loss_sum, self.seconds) = (0.0, 0.0);
    }

    /// Goes on with what decides about the crops of a step now. Where the run stands in the middle of an epoch and something of it has
    /// changed, the epoch begins anew, and what has changed is told.
    pub(crate) fn draw_by(&mut self, drawn: BTreeMap<String, String>) -> Vec<String> {
        let value = |of: &BTreeMap<String, String>, key: &str| of.get(key).cloned().unwrap_or_else(|| "none".into());
        let change = |key: &String| {
            let (then, now) = (value(&self.drawn, key), value(&drawn, key));
            (then != now).then(|| format!("{key} {then}, now {now}"))
        };
        let changed: Vec<String> = if self.steps == 0 { Vec::new() } else { drawn.keys().filter_map(change).collect() };
        if !changed.is_empty() {
            self.begin_epoch();
        }
        self.drawn = drawn;
        changed
    }

    /// Takes note of a validation that was due; says whether it is the best so far.
    pub(crate) fn observe(&mut self, found: Validated, keep_best: usize) -> bool {
        let place = self.best.iter().position(|kept| found.is_better_than(kept)).unwrap_or(self.best.len());
        self.best.insert(place, found);
        self.best.truncate(keep_best);
        if self.lowest_loss.is_none_or(|lowest| found.loss < lowest.loss) {
            self.lowest_loss = Some(found);
        }
        self.since_best = if place == 0 { 0 } else { self.since_best + 1 };
        place == 0 && self.early.is_none_or(|early| !early.is_better_than(&found))
    }

    /// Takes note of one that only the end of the time has brought about; says whether it is the best so far.
    pub(crate) fn observe_early(&mut self, found: Validated) -> bool {
        if self.early.is_none_or(|early| found.is_better_than(&early)) {
            self.early = Some(found);
        }
        self.best() == Some(&found)
    }

    /// The best of all validations.
    pub(crate) fn best(&self) -> Option<&Validated> {
        match (self.best.first(), &self.early) {
            (Some(best), Some(early)) => Some(if early.is_better_than(best) { early } else { best }),
            (best, early) => best.or(early.as_ref()),
        }
    }

    /// The validations whose weights are kept.
    fn kept(&self) -> impl Iterator<Item = &Validated> {
        self.best.iter().chain(&self.lowest_loss).chain(&self.early)
    }

    /// The moments whose weights this state names.
    pub(crate) fn named(&self) -> Vec<Moment> {
        self.kept().map(|kept| kept.moment).collect()
    }

    /// Whether the weights of this very validation are kept: an epoch that began anew may come to a moment twice.
    pub(crate) fn keeps(&self, found: &Validated) -> bool {
        self.kept().any(|kept| kept == found)
    }

    /// The mean loss of the samples so far; nothing where every step was left out.
    pub(crate) fn train_loss(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.loss_sum / self.samples as f64)
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
    name_weights(run, state).map(drop)
}

/// Lets the run folder show what the state says; the names whose weights are gone, which stay as they are.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn name_weights(run: &RunFolder, state: &State) -> anyhow::Result<Vec<PathBuf>> {
    let mut gone = Vec::new();
    for (name, validated) in [(run.best(), state.best()), (run.best_loss(), state.lowest_loss.as_ref())] {
        if let Some(validated) = validated
            && !run.point(&name, validated.moment)?
        {
            gone.push(name);
        }
    }
    run.keep_weights_of(&[state.named(), state.named_before.clone()].concat())?;
    Ok(gone)
}

/// Reads the newest state that is whole into a model and an optimiser of the same settings; damaged ones are named and set
/// aside, as are the weights that only they named.
///
/// # Errors
///
/// When no state is whole, one cannot be read or is of another version of this program, or it is of a model of other settings; the
/// message names the file.
pub(crate) fn load(
    run: &RunFolder,
    model: &RsmModel,
    optimizer: &ModuleOptimizer,
    progress: &Progress,
) -> anyhow::Result<Loaded> {
    let mut damage = Vec::new();
    let states = run.states();
    for path in states.iter().filter(|path| path.is_file()) {
        match Parts::read(path) {
            Ok(parts) => {
                let loaded = parts.put_into(path, model.clone(), optimizer.clone())?;
                for (damaged, cause) in damage {
                    // In its place it would become the state before the next one, over the only good one.
                    let aside = run.set_aside(damaged)?;
                    progress.warn(format!(
                        "{cause:#}; it is {} now, going on from {}",
                        aside.display(),
                        path.display()
                    ));
                    let (state, ..) = &loaded;
                    for weights in run.set_weights_aside(&[state.named(), state.named_before.clone()].concat())? {
                        progress.warn(format!("weights of later epochs are kept as {}", weights.display()));
                    }
                }
                return Ok(loaded);
            }
            Err(Unusable::Damaged(cause)) => damage.push((path, cause)),
            // A file that cannot be read now may be sound.
            Err(Unusable::Otherwise(cause)) => return Err(cause),
        }
    }
    let causes: Vec<String> = damage.iter().map(|(_, cause)| format!("{cause:#}")).collect();
    bail!("{}; start the run again with --force, or from its weights with --init-from", causes.join("; "))
}

/// Why a state file is not gone on from.
enum Unusable {
    Damaged(anyhow::Error),
    /// It cannot be read, or only by another program.
    Otherwise(anyhow::Error),
}

/// The parts of a state file, checked and decoded.
struct Parts {
    state: State,
    weights: ModuleRecord,
    optimizer: OptimizerRecord,
}

impl Parts {
    fn read(path: &Path) -> Result<Self, Unusable> {
        let read = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let bytes = read.map_err(Unusable::Otherwise)?;
        let version = bytes.get(FAMILY.len()..MAGIC.len()).filter(|_| bytes.starts_with(FAMILY));
        if version.is_some_and(|version| version.iter().all(u8::is_ascii_digit)) && !bytes.starts_with(MAGIC) {
            return Err(Unusable::Otherwise(anyhow!(
                "{} was written by another version of burn-rsmamba-cli; go on with that one, start the run again with --force, or \
                 begin another from its weights with --init-from",
                path.display()
            )));
        }
        Self::unpack(path, &bytes).map_err(Unusable::Damaged)
    }

    fn unpack(path: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let damaged = || format!("{} is damaged", path.display());
        let [state, weights, optimizer] = unpack(bytes).with_context(damaged)?;
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
        bail!("it is no state file");
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
        let moment = |epoch| Moment { epoch, steps: 0 };
        let mut observe = |epoch, f1, loss| state.observe(Validated { moment: moment(epoch), f1, loss }, 2);
        assert!(observe(1, 0.5, 0.9));
        assert!(!observe(2, 0.5, 0.9), "an equal one is not better");
        assert!(observe(3, 0.5, 0.8), "the loss decides between equal F1");
        assert!(!observe(4, 0.4, 0.1));
        assert_eq!(state.best.iter().map(|kept| kept.moment.epoch).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(state.named(), [3, 1, 4].map(moment));
        assert_eq!(state.since_best, 1);
    }

    #[test]
    fn a_validation_in_the_middle_of_an_epoch_changes_nothing_but_which_weights_are_best() {
        let mut state = State::start();
        let found = |epoch, steps, f1| Validated { moment: Moment { epoch, steps }, f1, loss: 0.5 };
        assert!(state.observe(found(1, 0, 0.3), 1));
        let before = state.clone();
        assert!(state.observe_early(found(2, 7, 0.4)));
        assert_eq!(State { early: None, ..state.clone() }, before);
        assert_eq!(state.best(), Some(&found(2, 7, 0.4)));
        assert!(!state.observe(found(2, 0, 0.35), 1), "better than all epochs, but not than the middle of one");
        assert_eq!((state.since_best, state.best()), (0, Some(&found(2, 7, 0.4))));
        assert!(state.observe(found(3, 0, 0.5), 1));
        assert_eq!(state.best(), Some(&found(3, 0, 0.5)));
        assert!(!state.observe_early(found(4, 1, 0.45)));
    }

    #[test]
    fn the_weights_of_a_moment_that_came_twice_are_those_that_are_named() {
        let mut state = State::start();
        let found = |f1| Validated { moment: Moment { epoch: 1, steps: 3 }, f1, loss: 0.5 };
        assert!(state.observe_early(found(0.3)) && state.keeps(&found(0.3)));
        assert!(!state.observe_early(found(0.1)));
        assert!(state.keeps(&found(0.3)) && !state.keeps(&found(0.1)), "worse weights do not go over the better ones");
    }

    #[test]
    fn an_epoch_begins_anew_where_it_would_take_other_crops() {
        let drawn = |batch: &str| BTreeMap::from([("batch".to_owned(), batch.to_owned())]);
        let mut state = State::start();
        assert!(state.draw_by(drawn("4")).is_empty());
        (state.steps, state.samples, state.loss_sum) = (3, 12, 1.5);
        assert!(state.draw_by(drawn("4")).is_empty());
        assert_eq!((state.steps, state.samples), (3, 12));
        assert_eq!(state.draw_by(drawn("8")), ["batch 4, now 8"]);
        assert_eq!((state.epoch, state.steps, state.samples), (1, 0, 0));
        assert!(state.draw_by(drawn("2")).is_empty(), "between epochs anything may change");
    }

    #[test]
    fn the_mean_loss_is_over_samples() {
        let mut state = State::start();
        assert_eq!(state.train_loss(), None);
        (state.loss_sum, state.samples) = (3.0, 4);
        assert_eq!(state.train_loss().map(f64::to_bits), Some(0.75_f64.to_bits()));
        state.next_epoch();
        assert_eq!((state.epoch, state.samples), (2, 0));
    }
}
