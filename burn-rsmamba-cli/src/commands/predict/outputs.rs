//! The files of one place, each written by a thread of its own while the model works.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context, anyhow};
use burn_rsmamba_datasets::{GeoSample, GeoTiff};

use super::Job;
use crate::pictures;

/// Bands of finished rows that may wait for a writer.
const WAITING: usize = 2;
/// What a mask holds where the image has no data: neither 0 nor 255.
const MASK_NODATA: u8 = 127;

/// The outputs of a job.
pub(super) struct Outputs<'a> {
    job: &'a Job,
    width: usize,
    height: usize,
    nodata: bool,
}

/// The threads that write.
pub(super) struct Writers<'scope> {
    mask: Writer<'scope, u8>,
    probability: Option<Writer<'scope, f32>>,
}

struct Writer<'scope, T> {
    send: Option<SyncSender<Vec<T>>>,
    thread: ScopedJoinHandle<'scope, anyhow::Result<()>>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(job: &'a Job, width: usize, height: usize, nodata: bool) -> Self {
        Self { job, width, height, nodata }
    }

    /// Starts a thread a file.
    pub(super) fn start<'scope, 'env: 'scope>(&'env self, scope: &'scope Scope<'scope, 'env>) -> Writers<'scope> {
        let mask = partial(&self.job.mask);
        let mask = if self.job.georeference.is_some() {
            let raster = self.raster(MASK_NODATA.to_string());
            Writer::spawn(scope, move |rows| write_geotiff(&mask, &raster, rows))
        } else {
            Writer::spawn(scope, move |rows: Receiver<Vec<u8>>| {
                let values: Vec<u8> = rows.into_iter().flatten().collect();
                // Rows are missing where mapping failed, which is reported.
                if values.len() < self.width * self.height {
                    Ok(())
                } else {
                    pictures::write_mask(&mask, values, self.width)
                }
            })
        };
        let probability = self.job.prob.as_deref().map(|path| {
            let (path, raster) = (partial(path), self.raster("nan".to_owned()));
            Writer::spawn(scope, move |rows| write_geotiff(&path, &raster, rows))
        });
        Writers { mask, probability }
    }

    /// Gives the complete files their names.
    pub(super) fn publish(&self) -> anyhow::Result<()> {
        for path in std::iter::once(&self.job.mask).chain(&self.job.prob) {
            std::fs::rename(partial(path), path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Takes away what is not complete.
    pub(super) fn discard(&self) {
        for path in std::iter::once(&self.job.mask).chain(&self.job.prob) {
            // It may not have been begun; and the error that led here matters more.
            let _ = std::fs::remove_file(partial(path));
        }
    }

    fn raster(&self, nodata: String) -> GeoTiff {
        GeoTiff {
            width: self.width,
            height: self.height,
            georeference: self.job.georeference.clone(),
            nodata: self.nodata.then_some(nodata),
        }
    }
}

impl Writers<'_> {
    /// Hands finished rows on.
    pub(super) fn send(&mut self, probabilities: &[f32], marked: &[bool], blank: &[bool]) -> anyhow::Result<()> {
        let pixels = marked.iter().zip(blank);
        self.mask.send(pixels.map(|(&marked, &blank)| match (blank, marked) {
            (true, _) => MASK_NODATA,
            (false, true) => 255,
            (false, false) => 0,
        }))?;
        let Some(writer) = &mut self.probability else { return Ok(()) };
        let pixels = probabilities.iter().zip(blank);
        writer.send(pixels.map(|(&value, &blank)| if blank { f32::NAN } else { value }))
    }

    /// Waits until everything is on disk; what went wrong there.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let mask = self.mask.finish();
        let probability = self.probability.map_or(Ok(()), Writer::finish);
        mask.and(probability)
    }
}

impl<'scope, T: Send + 'scope> Writer<'scope, T> {
    fn spawn<'env>(
        scope: &'scope Scope<'scope, 'env>,
        write: impl FnOnce(Receiver<Vec<T>>) -> anyhow::Result<()> + Send + 'scope,
    ) -> Self {
        let (send, receive) = sync_channel(WAITING);
        Self { send: Some(send), thread: scope.spawn(move || write(receive)) }
    }

    fn send(&mut self, rows: impl Iterator<Item = T>) -> anyhow::Result<()> {
        let send = self.send.as_ref().expect("not finished yet");
        send.send(rows.collect()).map_err(|_| anyhow!("an output cannot be written"))
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.send = None;
        self.thread.join().map_err(|_| anyhow!("the thread that writes an output panicked"))?
    }
}

/// Writes rows as they come, in whatever portions.
fn write_geotiff<T: GeoSample>(path: &Path, raster: &GeoTiff, receive: Receiver<Vec<T>>) -> anyhow::Result<()> {
    let mut waiting: Vec<T> = Vec::new();
    let mut ended = false;
    let rows = |_, count: usize| {
        while waiting.len() < count * raster.width {
            let Ok(rows) = receive.recv() else {
                ended = true;
                return Err(anyhow!("mapping ended before the last row"));
            };
            waiting.extend(rows);
        }
        Ok(waiting.drain(..count * raster.width).collect())
    };
    let write = || -> anyhow::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        raster.write(&mut file, rows)?;
        Ok(file.flush()?)
    };
    let written = write();
    // Where mapping failed, its own error is what counts.
    if ended { Ok(()) } else { written.with_context(|| format!("cannot write {}", path.display())) }
}

/// Where a file is written before it is complete.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
