//! A file that a thread of its own writes while the model works.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context, anyhow};
use burn_rsmamba::vector::{Polygon, Polygons, Run};
use burn_rsmamba_datasets::{GeoJson, GeoReference, GeoSample, GeoTiff};

pub(super) use crate::aside::aside as partial;

/// Bands of finished rows that may wait for a writer.
const WAITING: usize = 2;

/// The thread that writes a file, and the way to it; in the end it gives an `R`.
pub(super) struct Writer<'scope, T, R = ()> {
    send: SyncSender<Vec<T>>,
    thread: ScopedJoinHandle<'scope, anyhow::Result<R>>,
}

impl<'scope, T: Send + 'scope, R: Send + 'scope> Writer<'scope, T, R> {
    pub(super) fn spawn<'env>(
        scope: &'scope Scope<'scope, 'env>,
        write: impl FnOnce(Receiver<Vec<T>>) -> anyhow::Result<R> + Send + 'scope,
    ) -> Self {
        let (send, receive) = sync_channel(WAITING);
        Self { send, thread: scope.spawn(move || write(receive)) }
    }

    pub(super) fn send(&mut self, rows: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
        let rows: Vec<T> = rows.into_iter().collect();
        // A writer that has every row does not listen any more.
        if rows.is_empty() {
            return Ok(());
        }
        self.send.send(rows).map_err(|_| anyhow!("an output cannot be written"))
    }

    /// Waits until everything is on disk.
    pub(super) fn finish(self) -> anyhow::Result<R> {
        drop(self.send);
        self.thread.join().map_err(|_| anyhow!("the thread that writes an output panicked"))?
    }
}

/// Writes rows as they come, in whatever portions.
pub(super) fn write_geotiff<T: GeoSample>(
    path: &Path,
    raster: &GeoTiff,
    receive: Receiver<Vec<T>>,
) -> anyhow::Result<()> {
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
    let written = File::create(path).map_err(Into::into).and_then(|file| raster.write(BufWriter::new(file), rows));
    // Where mapping failed, its own error is what counts.
    if ended { Ok(()) } else { written.with_context(|| format!("cannot write {}", path.display())) }
}

/// Writes the objects of rows that come; their number. With several classes each row comes once a class, in their order.
pub(super) fn write_polygons(
    path: &Path,
    georeference: Option<&GeoReference>,
    classes: usize,
    receive: Receiver<Vec<Vec<Run>>>,
) -> anyhow::Result<u64> {
    let write = || -> std::io::Result<u64> {
        let mut file = GeoJson::new(BufWriter::new(File::create(path)?), georeference)?;
        let mut write = |class: usize, objects: Vec<Polygon>| {
            let class = (classes > 1).then_some(class);
            objects.iter().try_for_each(|Polygon { pixels, mean_probability, rings }| {
                file.write(rings, *pixels, *mean_probability, class)
            })
        };
        let mut layers: Vec<Polygons> = (0..classes).map(|_| Polygons::default()).collect();
        for (index, row) in receive.into_iter().flatten().enumerate() {
            let class = index % classes;
            write(class, layers[class].push(&row))?;
        }
        for (class, polygons) in layers.into_iter().enumerate() {
            write(class, polygons.finish())?;
        }
        file.finish()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
