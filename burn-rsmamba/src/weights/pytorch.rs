//! The entries of a `.pth`: a zip of one pickle and the tensors' bytes, as PyTorch writes it since 1.6.

use super::{
    archive::{Entries, Entry, Place, read_at},
    pickle,
};
use std::{fs::File, io::BufReader};
use zip::{CompressionMethod, ZipArchive};

/// Largest pickle that is read, in bytes. A state dict's has about 160 bytes a tensor: 60 kB for the paper's model, four times as
/// many with the state of its optimiser.
const LARGEST_PICKLE: usize = 2 << 20;

/// Names and places of the tensors of floats.
///
/// # Errors
///
/// What is wrong with the file.
pub(super) fn entries(file: &File) -> Result<Entries, String> {
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    // the other members stand beside it
    let folder = zip
        .file_names()
        .filter_map(|name| Some(name.ok()?.strip_suffix("data.pkl")?.to_owned()))
        .min_by_key(String::len)
        .ok_or("it is a zip without a `data.pkl`")?;
    let member = |zip: &mut _, name: &str| {
        let name = format!("{folder}{name}");
        place(zip, &name).map_err(|reason| format!("its member `{name}` {reason}"))
    };

    let pickle = member(&mut zip, "data.pkl")?;
    if pickle.length > LARGEST_PICKLE {
        return Err(format!(
            "its pickle has {} bytes, more than the {LARGEST_PICKLE} that are read; save the model's `state_dict()` alone",
            pickle.length
        ));
    }
    let pickle = read_at(file, &pickle).map_err(|error| error.to_string())?;
    // PyTorch 2.1 and later say it; no older one runs on a big-endian machine that we know of
    if let Ok(order) = member(&mut zip, "byteorder")
        && order.length == "big".len()
        && read_at(file, &order).is_ok_and(|order| order == b"big")
    {
        return Err("it is big-endian; save it again on a little-endian machine".to_owned());
    }
    let mut entries = Vec::new();
    for (name, stored) in pickle::state_dict(&pickle)? {
        if let Some(dtype) = stored.dtype {
            let storage = member(&mut zip, &format!("data/{}", stored.storage))?;
            let entry = Entry::new(dtype, stored.shape, Some(stored.strides), stored.offset, storage)?;
            entries.push((name.to_owned(), entry));
        }
    }
    Ok(entries)
}

/// Where the bytes of a member lie.
fn place(zip: &mut ZipArchive<BufReader<&File>>, name: &str) -> Result<Place, String> {
    let index = zip.index_for_name(name).ok_or("is missing")?;
    let member = zip.by_index_raw(index).map_err(|error| format!("cannot be found ({error})"))?;
    // PyTorch never compresses: what is not as long as it says is no weight, and may be a bomb
    if member.compression() != CompressionMethod::Stored || member.size() != member.compressed_size() {
        return Err("is compressed; save the file again with `torch.save`".to_owned());
    }
    let length = usize::try_from(member.size()).map_err(|_| "is too large for this machine")?;
    let start = member.data_start().ok_or("has no place")?;
    // `torch.save` can leave the checksums out
    Ok(Place { start, length, crc32: Some(member.crc32()).filter(|&crc32| crc32 != 0) })
}
