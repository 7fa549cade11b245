//! Files that are never half there: each is written under another name beside its place and moved there when it is complete.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::fault;

/// Where a file is written before it is complete: hidden, so that nobody takes what an interrupted run leaves for the file.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Makes the folder of a file that is to be written, and finds out before the work for it whether it can be; `flag` named it.
///
/// # Errors
///
/// When it cannot.
pub(crate) fn prepare(path: &Path, flag: &str) -> anyhow::Result<()> {
    if path.is_dir() {
        return Err(anyhow!("{flag} {} is a folder; name a file", path.display()));
    }
    // a link or a device: written through
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Ok(());
    }
    let aside = aside(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| File::create(&aside))
        .and_then(|_| fs::remove_file(&aside))
        .with_context(|| format!("cannot write {}; choose another {flag}", path.display()))
}

/// Lets `write` write a file aside, then moves it to its place. What is no plain file, as a link or `/dev/stdout`, is written
/// through.
///
/// # Errors
///
/// When the file cannot be written; what was there before stays.
pub(crate) fn write_with(path: &Path, write: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return write(path);
    }
    let aside = aside(path);
    let cannot = || format!("cannot write {}", path.display());
    let written = write(&aside).and_then(|()| fs::rename(&aside, path).with_context(cannot));
    if written.is_err() {
        // best effort: the error that counts is the one above
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Writes aside, syncs, then renames, so that the file is never half there, whenever the machine stops.
///
/// # Errors
///
/// When the file cannot be written; what was there before stays.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_aside(path, bytes)?;
    put_in_place(path)
}

/// The complete bytes on the disk, at [`aside`]; nothing where they cannot be written.
///
/// # Errors
///
/// When they cannot.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let aside = aside(path);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(first)?;
        fault::point();
        file.write_all(second)?;
        file.sync_all()
    });
    fault::point();
    written.map_err(|cause| {
        // best effort: the error that counts is the one above
        let _ = fs::remove_file(&aside);
        anyhow!("cannot write {}: {cause}; what was there before is untouched", path.display())
    })
}

/// Moves what is at [`aside`] to its place, and makes that last.
///
/// # Errors
///
/// When it cannot be moved.
pub(crate) fn put_in_place(path: &Path) -> anyhow::Result<()> {
    fs::rename(aside(path), path).with_context(|| format!("cannot write {}", path.display()))?;
    // A rename lasts through a power cut only when its folder is on the disk too; not every system can open one.
    if let Some(Ok(folder)) = path.parent().map(File::open) {
        let _ = folder.sync_all();
    }
    fault::point();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_stays_as_it_was() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-aside-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("scores.json");
        let half = |text: &'static str, result: fn() -> anyhow::Result<()>| {
            write_with(&path, |aside| {
                fs::write(aside, text)?;
                result()
            })
        };
        half("whole", || Ok(())).unwrap();
        assert!(half("ha", || Err(anyhow!("the disk is full"))).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert!(!aside(&path).exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_found_before_the_work() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-prepare-{}", std::process::id()));
        let path = folder.join("new").join("scores.json");
        prepare(&path, "--json").unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "a folder and nothing in it");
        let message = |path: &Path| format!("{:#}", prepare(path, "--json").unwrap_err());
        assert!(message(&folder).contains("is a folder"), "{}", message(&folder));
        fs::write(&path, "old").unwrap();
        prepare(&path, "--json").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let below = path.join("scores.json");
        assert!(message(&below).contains("--json"), "{}", message(&below));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn links_are_written_through() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-cli-links-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (link, target) = (folder.join("link"), folder.join("target"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_with(&link, |path| Ok(fs::write(path, "new")?)).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert!(link.is_symlink());
        fs::remove_dir_all(&folder).unwrap();
    }
}
