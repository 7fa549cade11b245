//! Weights by what the user calls them: a file, or a run folder.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;
use burn_rsmamba::weights::{self, WeightsError};
use burn_rsmamba::{ModelMeta, RsmModel, Task};

use crate::error::Failure;
use crate::run_folder::RunFolder;

/// Loads the weights of `--model FILE|RUN`, ready for inference.
///
/// # Errors
///
/// A run error that names the file and what to do about it.
pub(crate) fn load(path: &Path, device: &Device) -> Result<(RsmModel, ModelMeta), Failure> {
    let file = find(path)?;
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pth")) {
        return Err(Failure::run(format!(
            "{} is a PyTorch checkpoint; turn it into a weights file first with `import --from {0} --to FILE`",
            file.display()
        )));
    }
    weights::load(&file, device).map_err(|error| match error {
        WeightsError::NotWeights { .. } | WeightsError::Mismatch { .. } => {
            Failure::run(format!("{error}; name a file that train or import wrote"))
        }
        other => other.into(),
    })
}

/// The bytes of a file, and the checksum of all of them.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn checksum(path: &Path) -> anyhow::Result<(u64, u32)> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let (mut sum, mut bytes, mut part) = (crc32fast::Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut part).with_context(cannot)?;
        if count == 0 {
            return Ok((bytes, sum.finalize()));
        }
        sum.update(&part[..count]);
        bytes += count as u64;
    }
}

/// Refuses a model of another task than the data is for.
///
/// # Errors
///
/// A usage error that names both tasks.
pub(crate) fn expect_task(path: &Path, model: Task, wanted: Task) -> Result<(), Failure> {
    if model == wanted {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is a model of task {model}, but task {wanted} is asked for; name another --model or --task",
        path.display()
    )))
}

/// Refuses images of other bands than the model reads.
///
/// # Errors
///
/// A run error that names both numbers.
pub(crate) fn expect_bands(path: &Path, meta: &ModelMeta, bands: usize) -> Result<(), Failure> {
    let wanted = meta.config.encoder.bands;
    if bands == wanted {
        return Ok(());
    }
    Err(Failure::run(format!(
        "the images have {bands} bands, but {} reads {wanted}; take images or a model of the same bands",
        path.display()
    )))
}

/// The weights file a path stands for.
///
/// # Errors
///
/// A run error when there is none.
pub(crate) fn find(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() {
        let best = RunFolder::best_of(path);
        if !best.is_file() {
            return Err(Failure::run(format!(
                "there is no {}; let the run get to a validation, or name a weights file",
                best.display()
            )));
        }
        return Ok(best);
    }
    if !path.exists() {
        return Err(Failure::run(format!("there is no model {}; name a weights file or a run folder", path.display())));
    }
    Ok(path.to_owned())
}
