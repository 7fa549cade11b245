//! Decoded pixels on disk: one file for each image, which is made anew when the image changed.
//!
//! Layout, numbers little-endian: magic, size and modification time (seconds, nanoseconds) of the image, columns, rows, bands
//! and bytes a value, whether a value stands for no data, that value's bits as a double, and whether there is alpha (u64 each), then
//! the values, interleaved and row-major, and with alpha a byte a pixel, 1 where it is transparent.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::{Pixels, Raster, RasterFile};
use crate::DatasetError;

const MAGIC: &[u8; 8] = b"RSMDEC02";
const WORDS: usize = 10;
const HEADER: u64 = 8 + 8 * WORDS as u64;
/// Values that are decoded at a time.
const BAND_VALUES: usize = 16 << 20;

/// An open file of decoded pixels.
pub(super) struct Decoded {
    file: File,
    path: PathBuf,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) bands: usize,
    /// Bytes of a value: 1 and 2 unsigned, 4 float.
    bytes: usize,
    pub(super) nodata: Option<f64>,
    pub(super) alpha: bool,
}

impl Decoded {
    /// The decoded pixels of an image, from `folder`; `open` gives the image where they have to be put there.
    pub(super) fn of(
        image: &Path,
        folder: &Path,
        open: impl FnOnce() -> Result<RasterFile, DatasetError>,
    ) -> Result<Self, DatasetError> {
        let stamp = stamp(image)?;
        let path = folder.join(name(image));
        if let Some(found) = Self::open(&path, stamp)? {
            return Ok(found);
        }
        write(&path, stamp, open()?)?;
        // Whoever wrote it last wrote the same.
        Self::open(&path, stamp)?.ok_or_else(|| DatasetError::Damaged {
            path,
            reason: "decoded pixels changed while they were written".into(),
        })
    }

    /// The file if it is there, whole, and made of the image as it is.
    fn open(path: &Path, stamp: [u64; 3]) -> Result<Option<Self>, DatasetError> {
        let io = |cause| DatasetError::Io { path: path.into(), cause };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let length = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER as usize];
        if length < HEADER {
            return Ok(None);
        }
        file.read_exact(&mut header).map_err(io)?;
        let (magic, words) = header.split_at(MAGIC.len());
        let words: Vec<u64> = words.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect();
        let product = |words: &[u64]| words.iter().try_fold(1_u64, |product, &word| product.checked_mul(word));
        let alpha = words[9] == 1;
        let flags = if alpha { product(&words[3..5]) } else { Some(0) };
        let bytes = product(&words[3..7]).zip(flags).and_then(|(values, flags)| values.checked_add(flags));
        if magic != MAGIC || words[..3] != stamp || bytes != Some(length - HEADER) {
            return Ok(None);
        }
        let [width, height, bands, bytes] = [3, 4, 5, 6].map(|index| words[index] as usize);
        let nodata = (words[7] == 1).then(|| f64::from_bits(words[8]));
        Ok(Some(Self { file, path: path.into(), width, height, bands, bytes, nodata, alpha }))
    }

    /// The same file once more.
    pub(super) fn again(&self) -> Result<Self, DatasetError> {
        let file = File::open(&self.path).map_err(|cause| DatasetError::Io { path: self.path.clone(), cause })?;
        Ok(Self { file, path: self.path.clone(), ..*self })
    }

    /// Whether values are floats.
    pub(super) fn is_float(&self) -> bool {
        self.bytes == 4
    }

    /// A window inside the image.
    pub(super) fn window(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Raster, DatasetError> {
        let values = self.rows(0, self.bands * self.bytes, (top, left, height, width))?;
        let pixels = match self.bytes {
            1 => Pixels::U8(values),
            2 => Pixels::U16(values.as_chunks().0.iter().map(|&value| u16::from_le_bytes(value)).collect()),
            _ => Pixels::F32(values.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()),
        };
        Ok(Raster { width, height, bands: self.bands, pixels })
    }
}

impl Decoded {
    /// Which pixels of a window inside the image are transparent, where there is alpha.
    pub(super) fn transparent(
        &mut self,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Option<Vec<bool>>, DatasetError> {
        if !self.alpha {
            return Ok(None);
        }
        let flags = self.rows(self.width * self.height * self.bands * self.bytes, 1, (top, left, height, width))?;
        Ok(Some(flags.iter().map(|&flag| flag != 0).collect()))
    }

    /// The bytes of a window, of a table of so many bytes a pixel that begins here behind the header.
    fn rows(
        &mut self,
        table: usize,
        pixel: usize,
        (top, left, height, width): (usize, usize, usize, usize),
    ) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = vec![0; height * width * pixel];
        for (y, row) in (top..).zip(bytes.chunks_exact_mut(width * pixel)) {
            let start = table + (y * self.width + left) * pixel;
            let read = self.file.seek(SeekFrom::Start(HEADER + start as u64)).and_then(|_| self.file.read_exact(row));
            read.map_err(|cause| DatasetError::Io { path: self.path.clone(), cause })?;
        }
        Ok(bytes)
    }
}

/// What tells that a file is still the same: its size and when it was changed.
fn stamp(image: &Path) -> Result<[u64; 3], DatasetError> {
    let found = fs::metadata(image).and_then(|metadata| Ok((metadata.len(), metadata.modified()?)));
    let (size, changed) = found.map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => DatasetError::Missing { path: image.into() },
        _ => DatasetError::Io { path: image.into(), cause },
    })?;
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok([size, changed.as_secs(), u64::from(changed.subsec_nanos())])
}

/// A name for people, made unlike all others by the hash of the whole path.
fn name(image: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    fs::canonicalize(image).unwrap_or_else(|_| image.into()).hash(&mut hasher);
    format!("{}-{:016x}.pixels", image.file_stem().unwrap_or_default().to_string_lossy(), hasher.finish())
}

/// A file that nobody has written to for so long belongs to a run that was killed.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes what runs that were killed left of files in this folder.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let idle = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_part(&entry.file_name().to_string_lossy()) && idle().is_some_and(|idle| idle > ABANDONED) {
            // Another run may have been quicker.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Where a file is written before it is complete, by this thread.
fn part(path: &Path) -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
    path.with_extension(format!("{}-{thread}.part", std::process::id()))
}

/// Whether this is the name of a [`part`]: other programs call unfinished files alike.
fn is_part(name: &str) -> bool {
    let parts = || {
        let (file, writer) = name.strip_suffix(".part")?.rsplit_once('.')?;
        Some((file.rsplit_once('-')?.1, writer.split_once('-')?))
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    parts().is_some_and(|(hash, (process, thread))| {
        hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) && is_number(process) && is_number(thread)
    })
}

/// Writes aside and renames, so that a file is whole or not there.
fn write(path: &Path, stamp: [u64; 3], image: RasterFile) -> Result<(), DatasetError> {
    let cannot = |path: &Path, cause| DatasetError::CannotWrite { path: path.into(), cause };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|cause| cannot(folder, cause))?;
        remove_abandoned(folder);
    }
    let aside = part(path);
    let written =
        write_pixels(&aside, stamp, image).and_then(|()| fs::rename(&aside, path).map_err(|cause| cannot(path, cause)));
    if written.is_err() {
        // The error that matters is the one above.
        let _ = fs::remove_file(&aside);
    }
    written
}

fn write_pixels(path: &Path, stamp: [u64; 3], mut image: RasterFile) -> Result<(), DatasetError> {
    let cannot = |cause| DatasetError::CannotWrite { path: path.into(), cause };
    let (width, height, bands) = (image.width(), image.height(), image.bands());
    let mut out = BufWriter::new(File::create(path).map_err(cannot)?);
    let rows = (BAND_VALUES / (width * bands)).clamp(1, height);
    for top in (0..height).step_by(rows) {
        let part = image.window(top, 0, rows.min(height - top), width)?;
        if top == 0 {
            let sizes =
                [width, height, bands, part.pixels.bytes() / (part.height * width * bands)].map(|word| word as u64);
            let nodata = [u64::from(image.nodata().is_some()), image.nodata().unwrap_or_default().to_bits()];
            let words = stamp.into_iter().chain(sizes).chain(nodata).chain([u64::from(image.has_flags())]);
            let words = words.flat_map(u64::to_le_bytes);
            out.write_all(&MAGIC.iter().copied().chain(words).collect::<Vec<u8>>()).map_err(cannot)?;
        }
        match &part.pixels {
            Pixels::U8(values) => out.write_all(values),
            Pixels::U16(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Pixels::F32(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
        }
        .map_err(cannot)?;
    }
    // In a second pass: the flags lie behind all values.
    for top in (0..height).step_by(rows) {
        let Some(flags) = image.transparent(top, 0, rows.min(height - top), width)? else { break };
        out.write_all(&flags.into_iter().map(u8::from).collect::<Vec<_>>()).map_err(cannot)?;
    }
    out.flush().map_err(cannot)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_abandoned_parts_of_our_own_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let own = part(&root.path().join(name(Path::new("town.tif"))));
        let [fresh, theirs, pixels] = ["b-0123456789abcdef.7-1.part", "film.mkv.part", "a-0123456789abcdef.pixels"]
            .map(|name| root.path().join(name));
        for path in [&own, &fresh, &theirs, &pixels] {
            fs::write(path, "bytes").unwrap();
            if path != &fresh {
                let long_ago = SystemTime::now() - 2 * ABANDONED;
                File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
            }
        }
        remove_abandoned(root.path());
        assert_eq!([&own, &fresh, &theirs, &pixels].map(|path| path.exists()), [false, true, true, true]);
    }
}
