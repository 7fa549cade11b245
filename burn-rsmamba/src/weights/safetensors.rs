//! Reading the header of a `.safetensors`, and writing whole files.

use super::{
    WeightsError,
    archive::{Entries, Entry, Place, read_at},
};
use burn::tensor::DType;
use safetensors::{
    Dtype,
    tensor::{Metadata, View},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Largest header that is read, in bytes. A tensor takes about 120: 40 kB for the paper's model.
const LARGEST_HEADER: u64 = 4 << 20;

/// Bytes of the header's length, which come first.
const LENGTH: u64 = 8;

/// Names and places of the tensors of floats, and the metadata.
///
/// # Errors
///
/// What is wrong with the file.
pub(super) fn entries(file: &File, file_length: u64) -> Result<(Entries, HashMap<String, String>), String> {
    let incomplete = || "neither a .pth nor a complete .safetensors file".to_owned();
    let read = |start, length| read_at(file, &Place { start, length, crc32: None }).map_err(|error| error.to_string());
    if file_length < LENGTH {
        return Err(incomplete());
    }
    let header = u64::from_le_bytes(read(0, LENGTH as usize)?.try_into().expect("its length"));
    // checked before anything of that length is allocated
    if header > LARGEST_HEADER || header > file_length - LENGTH {
        return Err(incomplete());
    }
    let data = LENGTH + header;
    // the crate checks that shapes, types and offsets agree and that the offsets leave no gaps and do not overlap
    let header: Metadata = serde_json::from_slice(&read(LENGTH, header as usize)?)
        .map_err(|error| format!("{} ({error})", incomplete()))?;
    if Some(file_length) != data.checked_add(header.data_len() as u64) {
        return Err(format!("{} (its tensors and its length do not agree)", incomplete()));
    }
    let mut entries = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let dtype = match info.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            _ => continue,
        };
        let (start, end) = info.data_offsets;
        let place = Place { start: data + start as u64, length: end - start, crc32: None };
        let entry = Entry::new(dtype, info.shape.clone(), None, 0, place)?;
        entries.push((name, entry));
    }
    Ok((entries, header.metadata().clone().unwrap_or_default()))
}

/// One array to write.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Array {
    /// Whether all values are finite; those that are no f32 are not looked at.
    pub(super) fn is_finite(&self) -> bool {
        self.dtype != Dtype::F32 || self.bytes.as_chunks().0.iter().all(|&bytes| f32::from_le_bytes(bytes).is_finite())
    }
}

/// The checksum of arrays, in the order of their names.
pub(super) fn checksum(arrays: &BTreeMap<String, Array>) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for array in arrays.values() {
        sum.update(&array.bytes);
    }
    sum.finalize()
}

impl View for &Array {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A rename lasts through a power cut only when its folder is on the disk too; not every system can open one.
fn sync_folder(path: &Path) {
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
}

/// Writes arrays and one metadata entry (of several the order is not fixed, and equal models must give equal files) beside the
/// target, syncs, and renames.
pub(super) fn write(
    path: &Path,
    arrays: &BTreeMap<String, Array>,
    metadata: (&str, String),
) -> Result<(), WeightsError> {
    let metadata = HashMap::from([(metadata.0.to_owned(), metadata.1)]);
    let file = safetensors::serialize(arrays, Some(metadata)).map_err(|error| WeightsError::unwritable(path, error))?;

    let mut aside = path.as_os_str().to_owned();
    aside.push(".partial");
    let aside = PathBuf::from(aside);
    let written = File::create(&aside)
        .and_then(|mut out| out.write_all(&file).and_then(|()| out.sync_all()))
        .and_then(|()| fs::rename(&aside, path))
        .map(|()| sync_folder(path));
    written.map_err(|source| {
        // best effort: the error that counts is the one above
        let _ = fs::remove_file(&aside);
        WeightsError::Write { path: path.to_owned(), source }
    })
}
