//! Weights in and out: our own files, and official checkpoints.
//!
//! Our file is a `.safetensors` with the official PyTorch names and shapes, plus one metadata entry ([`ModelMeta`]) that says
//! all that is needed to make the model and feed it. So one set of rules (`names.rs`) serves loading, saving and import,
//! and PyTorch can read what we write.

mod archive;
mod error;
mod infer;
mod meta;
mod names;
mod transfer;

pub use error::WeightsError;
pub use meta::{ModelMeta, Normalisation};

use crate::models::RsmModel;
use archive::Archive;
use burn::tensor::Device;
use burn_rsmamba_kernels::Directions;
use std::path::Path;

pub use names::{OfficialTensor, official_tensor};
pub use transfer::{Transferred, transfer};

/// Writes a model and what is to be known about it. The file appears under its name only when it is complete.
///
/// # Errors
///
/// [`WeightsError::Write`] when the file cannot be written; nothing is left behind then.
pub fn save(model: &RsmModel, meta: &ModelMeta, path: &Path) -> Result<(), WeightsError> {
    archive::write(path, &names::export(model), meta)
}

/// Reads a file that [`save`] wrote.
///
/// # Errors
///
/// [`WeightsError`]: the file cannot be read, is not ours (an official checkpoint goes through [`import`]), does not fit its
/// own description, or holds a NaN or infinity.
pub fn load(path: &Path, device: &Device) -> Result<(RsmModel, ModelMeta), WeightsError> {
    let archive = Archive::read(path)?;
    let meta = archive.meta()?;
    meta.check().map_err(|reason| WeightsError::NotWeights { path: path.to_owned(), reason })?;
    let model = names::apply(&archive, meta.config.init(device))?;
    Ok((model, meta))
}

/// Reads an official checkpoint, a `.pth` (a state dict, or a dict with one under `net`) or a `.safetensors`, and infers the
/// model from names and shapes.
///
/// `directions` says which pixel orders the weights are for where their number alone should not decide.
///
/// # Errors
///
/// [`WeightsError`]: the file cannot be read, or its entries are not a model's: unknown, missing and misshapen ones are listed.
pub fn import(
    path: &Path,
    directions: Option<Directions>,
    device: &Device,
) -> Result<(RsmModel, ModelMeta), WeightsError> {
    let archive = Archive::read(path)?;
    let config = infer::config(&archive, directions)?;
    let model = names::apply(&archive, config.init(device))?;
    let source = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((model, ModelMeta::new(config, format!("imported from {source}"))))
}

/// Puts the weights of a file (ours or official) into a model that exists: all of them, or an error and the model is gone.
///
/// # Errors
///
/// [`WeightsError`] as for [`load`]; a file for the other task, other widths or other class count is refused with the
/// entries at fault.
pub fn load_into(model: RsmModel, path: &Path) -> Result<RsmModel, WeightsError> {
    names::apply(&Archive::read(path)?, model)
}
