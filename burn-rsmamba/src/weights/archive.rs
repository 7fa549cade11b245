//! A weights file as a table of named places; values are read when they are wanted.
//!
//! A file may lie about everything. So a table is checked against the file's own length before it is believed, and what a model
//! does not need is never read.

use super::{ModelMeta, WeightsError, meta::Described, pytorch, safetensors};
use burn::tensor::{DType, TensorData};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Key of our metadata entry.
pub(super) const META: &str = "burn-rsmamba";

/// Longest name of an entry, in bytes.
const LONGEST_NAME: usize = 256;

/// Some bytes of a file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) length: usize,
    /// Checksum of all of it.
    pub(super) crc32: Option<u32>,
}

/// Reads a place, which must lie in the file before its length is allocated.
pub(super) fn read_at(mut file: &File, place: &Place) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if place.start.checked_add(place.length as u64).is_none_or(|end| end > length) {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends too early"));
    }
    let mut bytes = vec![0; place.length];
    file.seek(SeekFrom::Start(place.start))?;
    file.read_exact(&mut bytes)?;
    match place.crc32 {
        Some(crc32) if crc32 != crc32fast::hash(&bytes) => Err(io::Error::other("its checksum is wrong")),
        _ => Ok(bytes),
    }
}

/// One array of a file, in official shape.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    dtype: DType,
    pub(super) shape: Vec<usize>,
    /// Elements from one index of a dimension to the next.
    strides: Vec<usize>,
    place: Place,
}

impl Entry {
    /// An array in a place of the file, `offset` elements from the start; rows first unless there are strides.
    ///
    /// # Errors
    ///
    /// When it does not lie there.
    pub(super) fn new(
        dtype: DType,
        shape: Vec<usize>,
        strides: Option<Vec<usize>>,
        offset: usize,
        room: Place,
    ) -> Result<Self, String> {
        let strides = strides.unwrap_or_else(|| row_major(&shape));
        let outside =
            || format!("an entry of shape {shape:?} and strides {strides:?} does not lie in its {} bytes", room.length);
        let bytes = |elements: usize| elements.checked_mul(dtype.size());
        let extent = extent(&shape, &strides).ok_or_else(outside)?;
        let (skipped, length) = bytes(offset).zip(bytes(extent)).ok_or_else(outside)?;
        if skipped.checked_add(length).is_none_or(|end| end > room.length) {
            return Err(outside());
        }
        let crc32 = room.crc32.filter(|_| length == room.length);
        let place = Place { start: room.start + skipped as u64, length, crc32 };
        Ok(Self { dtype, shape, strides, place })
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its values, rows first.
    fn read(&self, file: &File) -> Result<Vec<f32>, String> {
        let bytes = read_at(file, &self.place).map_err(|error| error.to_string())?;
        let extent = bytes.len() / self.dtype.size();
        let stored = TensorData::from_bytes_vec(bytes, [extent], self.dtype)
            .convert_dtype(DType::F32)
            .try_into_vec::<f32>()
            .map_err(|error| format!("{error:?}"))?;
        if self.strides == row_major(&self.shape) {
            return Ok(stored);
        }
        let position = |mut index: usize| {
            let dimensions = self.shape.iter().zip(&self.strides).rev();
            dimensions.fold(0, |position, (size, stride)| {
                let along = index % size;
                index /= size;
                position + along * stride
            })
        };
        Ok((0..self.len()).map(|index| stored[position(index)]).collect())
    }
}

fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for dimension in (1..shape.len()).rev() {
        // one that is too large fits in no file
        strides[dimension - 1] = strides[dimension].saturating_mul(shape[dimension]);
    }
    strides
}

/// Elements from the first to the last, or `None` where the array is no array: more dimensions than strides, or more elements
/// than a machine can count.
fn extent(shape: &[usize], strides: &[usize]) -> Option<usize> {
    if shape.len() != strides.len() {
        return None;
    }
    let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
    if elements == 0 {
        return Some(0);
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0_usize, |last, (size, stride)| last.checked_add((size - 1).checked_mul(*stride)?))?;
    // several elements in one place would make a large array of a small file
    (last < usize::MAX && elements <= last + 1).then_some(last + 1)
}

/// Entries as a file names them.
pub(super) type Entries = Vec<(String, Entry)>;

/// The entries of a weights file, under official names.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) entries: BTreeMap<String, Entry>,
    file: File,
    meta: Option<String>,
}

impl Archive {
    /// Reads the table of a `.safetensors` or a `.pth`, told apart by content.
    pub(super) fn read(path: &Path) -> Result<Self, WeightsError> {
        let unreadable = |source| WeightsError::Read { path: path.to_owned(), source };
        let damaged = |reason: String| WeightsError::not_weights(path, &reason);
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        // a pipe or a device may never end
        if !about.is_file() {
            return Err(damaged("it is no file".to_owned()));
        }
        let mut start = Vec::new();
        (&file).take(9).read_to_end(&mut start).map_err(unreadable)?;
        let (raw, meta) = match &start[..] {
            [] => return Err(damaged("the file is empty".to_owned())),
            // A safetensors header is JSON behind eight bytes of length, which may be any bytes.
            [.., b'{'] if start.len() == 9 => {
                let (entries, mut metadata) = safetensors::entries(&file, about.len()).map_err(damaged)?;
                (entries, metadata.remove(META))
            }
            [b'P', b'K', ..] => {
                let entries = pytorch::entries(&file);
                (entries.map_err(|reason| damaged(format!("not a complete PyTorch file: {reason}")))?, None)
            }
            [0x80, ..] => {
                let reason =
                    "it is a bare pickle, as PyTorch wrote before 1.6; load it there and save its `state_dict()` again";
                return Err(damaged(reason.to_owned()));
            }
            _ => return Err(damaged("it is neither a .pth nor a .safetensors file".to_owned())),
        };

        let mut entries = BTreeMap::new();
        let mut claimed = 0_u64;
        for (name, entry) in raw {
            // nn.DataParallel's prefix and BatchNorm's counter carry nothing that we use
            let name = name.strip_prefix("module.").unwrap_or(&name);
            if name.ends_with("num_batches_tracked") {
                continue;
            }
            if name.len() > LONGEST_NAME || name.contains(char::is_control) {
                return Err(damaged(format!("the name of an entry is no name: {name}")));
            }
            claimed = claimed.saturating_add(entry.place.length as u64);
            if entries.insert(name.to_owned(), entry).is_some() {
                return Err(damaged(format!("it has the entry `{name}` twice")));
            }
        }
        if claimed > about.len() {
            return Err(damaged(format!("its entries take {claimed} bytes, but it has {}: they overlap", about.len())));
        }
        Ok(Self { path: path.to_owned(), entries, file, meta })
    }

    /// Number of values of all entries.
    pub(super) fn values(&self) -> u64 {
        self.entries.values().map(|entry| entry.len() as u64).sum()
    }

    /// Values of an entry, rows first, all of them finite.
    pub(super) fn read_entry(&self, name: &str, entry: &Entry) -> Result<Vec<f32>, WeightsError> {
        let values = entry
            .read(&self.file)
            .map_err(|reason| WeightsError::not_weights(&self.path, &format!("entry `{name}`: {reason}")))?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(WeightsError::NotFinite { path: self.path.clone(), name: name.to_owned() });
        }
        Ok(values)
    }

    /// Our description.
    pub(super) fn meta(&self) -> Result<ModelMeta, WeightsError> {
        let Some(meta) = &self.meta else {
            let reason = "it has no burn-rsmamba description; bring an official checkpoint in with `import` first";
            return Err(WeightsError::not_weights(&self.path, reason));
        };
        serde_json::from_str(meta)
            .map_err(|error| WeightsError::not_weights(&self.path, &format!("its description is damaged ({error})")))
    }

    /// Compares the values with the checksum that our files bring.
    pub(super) fn verify(&self) -> Result<(), WeightsError> {
        let described = self.meta.as_deref().map(serde_json::from_str::<Described>);
        let Some(Ok(Described { crc32: Some(expected), .. })) = described else { return Ok(()) };
        let mut sum = crc32fast::Hasher::new();
        for entry in self.entries.values() {
            let bytes = read_at(&self.file, &entry.place);
            sum.update(&bytes.map_err(|source| WeightsError::Read { path: self.path.clone(), source })?);
        }
        if sum.finalize() == expected {
            return Ok(());
        }
        Err(WeightsError::not_weights(&self.path, "its checksum is wrong: values have changed since it was written"))
    }
}
