//! Weights in and out: our own files, and official checkpoints.
//!
//! Our file is a `.safetensors` with the official PyTorch names and shapes, plus one metadata entry ([`ModelMeta`]) that says
//! all that is needed to make the model and feed it. So one set of rules (`names.rs`) serves loading, saving and import,
//! and PyTorch can read what we write.
//!
//! Files are untrusted. Nothing in one is run, what it says of itself is checked against its length, and only the values that a
//! model needs are read: a file costs no more than a small multiple of its own size.

mod archive;
mod error;
mod infer;
mod meta;
mod names;
mod pickle;
mod pytorch;
mod safetensors;
mod transfer;

pub use error::WeightsError;
use meta::Described;
pub use meta::{ModelMeta, Normalisation};

use crate::models::{ModelConfig, RsmModel, STRIDE, complexity};
use archive::Archive;
use burn::tensor::Device;
use std::path::Path;

pub use names::{OfficialTensor, official_tensor};
pub use transfer::{Transferred, transfer};

/// Writes a model and what is to be known about it, with a checksum of the values. The file appears under its name only when it is
/// complete.
///
/// # Errors
///
/// [`WeightsError::NotFinite`] for a model that [`load`] would refuse, [`WeightsError::Write`] when the file cannot be written; nothing
/// is left behind then.
pub fn save(model: &RsmModel, meta: &ModelMeta, path: &Path) -> Result<(), WeightsError> {
    let arrays = names::arrays(model);
    if let Some((name, _)) = arrays.iter().find(|(_, array)| !array.is_finite()) {
        return Err(WeightsError::NotFinite { path: path.to_owned(), name: name.clone() });
    }
    let described = Described { meta: meta.clone(), crc32: Some(safetensors::checksum(&arrays)) };
    let description = serde_json::to_string(&described).map_err(|error| WeightsError::unwritable(path, error))?;
    safetensors::write(path, &arrays, (archive::META, description))
}

/// Writes a model as a `.safetensors` that the official PyTorch code takes: its names, its layouts, and every entry that
/// `load_state_dict(strict=True)` asks for.
///
/// # Errors
///
/// [`WeightsError::Write`] when the file cannot be written; nothing is left behind then.
pub fn export(model: &RsmModel, path: &Path) -> Result<(), WeightsError> {
    let mut arrays = names::arrays(model);
    arrays.extend(names::batch_counters(&arrays));
    // by this mark readers of safetensors know whose layouts they are
    safetensors::write(path, &arrays, ("format", "pt".to_owned()))
}

/// Reads a file that [`save`] wrote.
///
/// # Errors
///
/// [`WeightsError`]: the file cannot be read, is not ours (an official checkpoint goes through [`import`]), does not fit its
/// own description, holds a NaN or infinity, or values other than its checksum says.
pub fn load(path: &Path, device: &Device) -> Result<(RsmModel, ModelMeta), WeightsError> {
    let archive = Archive::read(path)?;
    let meta = archive.meta()?;
    meta.check().map_err(|reason| WeightsError::not_weights(path, &reason))?;
    let model = names::apply(&archive, init(&meta.config, &archive, device)?)?;
    // Last: what is wrong with an entry says more than that something is.
    archive.verify()?;
    Ok((model, meta))
}

/// Reads an official checkpoint, a `.pth` of PyTorch 1.6 or later (a state dict, or a dict with one under `net`) or a `.safetensors`,
/// and infers the model from names and shapes.
///
/// # Errors
///
/// [`WeightsError`]: the file cannot be read, or its entries are not a model's: unknown, missing and misshapen ones are listed.
pub fn import(path: &Path, device: &Device) -> Result<(RsmModel, ModelMeta), WeightsError> {
    let archive = Archive::read(path)?;
    let config = infer::config(&archive)?;
    let model = names::apply(&archive, init(&config, &archive, device)?)?;
    let source = path.file_name().unwrap_or_default().to_string_lossy();
    let provenance = format!("imported from {source} by burn-rsmamba {}", env!("CARGO_PKG_VERSION"));
    Ok((model, ModelMeta::new(config, provenance)))
}

/// Puts the weights of a file (ours or official) into a model that exists: all of them, or an error and the model is gone.
///
/// # Errors
///
/// [`WeightsError`] as for [`load`]; a file for the other task, other widths or other class count is refused with the
/// entries at fault.
pub fn load_into(model: RsmModel, path: &Path) -> Result<RsmModel, WeightsError> {
    let archive = Archive::read(path)?;
    let model = names::apply(&archive, model)?;
    archive.verify()?;
    Ok(model)
}

/// A model for the weights of a file, unless the file is far too small for it: few bytes must not make a huge model.
fn init(config: &ModelConfig, archive: &Archive, device: &Device) -> Result<RsmModel, WeightsError> {
    /// Values that may be missing from a file before it counts as too small; below, the missing entries are named.
    const SLACK: u64 = 1 << 20;
    let (needed, there) = (complexity(config, STRIDE, STRIDE).parameters, archive.values());
    if needed > there.saturating_add(SLACK) {
        let reason = format!("it describes a model of {needed} parameters, but has {there} values");
        return Err(WeightsError::not_weights(&archive.path, &reason));
    }
    Ok(config.init(device))
}
