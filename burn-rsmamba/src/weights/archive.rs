//! Files as named f32 arrays.

use super::{ModelMeta, WeightsError};
use burn::{
    store::pytorch::PytorchReader,
    tensor::{DType, TensorData},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Key of our metadata entry.
const META: &str = "burn-rsmamba";

/// One named array in official shape.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Entries as a file names them.
type Entries = Vec<(String, Entry)>;

/// The entries of a weights file, under official names.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) entries: BTreeMap<String, Entry>,
    meta: Option<String>,
}

impl Archive {
    /// Reads a `.safetensors` or a `.pth`, told apart by content.
    pub(super) fn read(path: &Path) -> Result<Self, WeightsError> {
        let bytes = fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
        if bytes.is_empty() {
            return Err(WeightsError::not_weights(path, "the file is empty"));
        }
        // A safetensors header is JSON behind eight bytes of length, which may be any bytes. A zip (PyTorch 1.6 and
        // later) starts with "PK", an older pickle with its protocol opcode.
        let is_safetensors = bytes.get(8) == Some(&b'{');
        let is_pytorch = !is_safetensors && (bytes.starts_with(b"PK") || bytes[0] == 0x80);
        let (raw, meta) = if is_pytorch { (read_pytorch(path)?, None) } else { read_safetensors(path, &bytes)? };
        let mut entries = BTreeMap::new();
        for (name, entry) in raw {
            // nn.DataParallel's prefix and BatchNorm's counter carry nothing that we use
            let name = name.strip_prefix("module.").unwrap_or(&name);
            if !name.ends_with("num_batches_tracked") {
                entries.insert(name.to_owned(), entry);
            }
        }
        if let Some((name, _)) = entries.iter().find(|(_, entry)| !entry.values.iter().all(|value| value.is_finite())) {
            return Err(WeightsError::NotFinite { path: path.to_owned(), name: name.clone() });
        }
        Ok(Self { path: path.to_owned(), entries, meta })
    }

    /// Our description.
    pub(super) fn meta(&self) -> Result<ModelMeta, WeightsError> {
        let Some(meta) = &self.meta else {
            let reason = "it has no burn-rsmamba description; bring an official checkpoint in with `import` first";
            return Err(WeightsError::not_weights(&self.path, reason));
        };
        serde_json::from_str(meta)
            .map_err(|error| WeightsError::not_weights(&self.path, format!("its description is damaged ({error})")))
    }
}

fn read_safetensors(path: &Path, bytes: &[u8]) -> Result<(Entries, Option<String>), WeightsError> {
    let damaged = |error: safetensors::SafeTensorError| {
        WeightsError::not_weights(path, format!("neither a .pth nor a complete .safetensors file ({error})"))
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let meta = header.metadata().as_ref().and_then(|metadata| metadata.get(META).cloned());
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut entries = Vec::new();
    for (name, view) in tensors.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => continue,
        };
        let values = to_f32(view.data().to_vec(), view.shape(), dtype)
            .map_err(|reason| WeightsError::not_weights(path, format!("entry `{name}`: {reason}")))?;
        entries.push((name, Entry { shape: view.shape().to_vec(), values }));
    }
    Ok((entries, meta))
}

fn read_pytorch(path: &Path) -> Result<Entries, WeightsError> {
    let damaged = |error: String| WeightsError::not_weights(path, format!("not a complete PyTorch file ({error})"));
    let bare = PytorchReader::new(path);
    // A training checkpoint keeps the state dict under `net`, beside optimiser state that is none of ours.
    let reader = match &bare {
        Ok(reader) if !reader.keys().iter().any(|name| name.starts_with("net.")) => bare,
        _ => PytorchReader::with_top_level_key(path, "net").or(bare),
    };
    let mut entries = Vec::new();
    let tensors = reader.map_err(|error| damaged(error.to_string()))?.into_tensors();
    // sorted, so that of several damaged entries always the same one is named
    for (name, tensor) in BTreeMap::from_iter(tensors) {
        let name = name.strip_prefix("net.").unwrap_or(&name).to_owned();
        let tensor = burn::store::bridge::from_pytorch(tensor);
        if !tensor.dtype.is_float() {
            continue;
        }
        let (shape, dtype) = (tensor.shape.iter().copied().collect::<Vec<_>>(), tensor.dtype);
        let bytes = tensor.into_bytes().map_err(|error| damaged(format!("entry `{name}`: {error}")))?;
        let values =
            to_f32(bytes.to_vec(), &shape, dtype).map_err(|reason| damaged(format!("entry `{name}`: {reason}")))?;
        entries.push((name, Entry { shape, values }));
    }
    Ok(entries)
}

fn to_f32(bytes: Vec<u8>, shape: &[usize], dtype: DType) -> Result<Vec<f32>, String> {
    TensorData::from_bytes_vec(bytes, shape.to_vec(), dtype)
        .convert_dtype(DType::F32)
        .try_into_vec::<f32>()
        .map_err(|error| format!("{error:?}"))
}

/// Writes entries and description beside the target, syncs, and renames.
pub(super) fn write(path: &Path, entries: &BTreeMap<String, Entry>, meta: &ModelMeta) -> Result<(), WeightsError> {
    let failed = |source: std::io::Error| WeightsError::Write { path: path.to_owned(), source };
    let invalid = |error: String| failed(std::io::Error::other(error));
    let bytes: BTreeMap<&String, Vec<u8>> = entries
        .iter()
        .map(|(name, entry)| (name, entry.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let view = TensorView::new(Dtype::F32, entry.shape.clone(), &bytes[name]);
        views.push((name, view.map_err(|error| invalid(error.to_string()))?));
    }
    let description = serde_json::to_string(meta).map_err(|error| invalid(error.to_string()))?;
    // one key only: a map of two has no fixed order, and equal models must give equal files
    let metadata = HashMap::from([(META.to_owned(), description)]);
    let file = safetensors::serialize(views, Some(metadata)).map_err(|error| invalid(error.to_string()))?;

    let mut aside = path.as_os_str().to_owned();
    aside.push(".partial");
    let aside = PathBuf::from(aside);
    let written = fs::File::create(&aside)
        .and_then(|mut out| out.write_all(&file).and_then(|()| out.sync_all()))
        .and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| {
        // best effort: the error that counts is the one above
        let _ = fs::remove_file(&aside);
        failed(source)
    })
}
