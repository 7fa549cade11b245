//! Windows of the scenes of a split, from files that stay open within a limit of memory.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::raster::fits_memory;
use crate::reader::{CACHE_BYTES, SceneReader};
use crate::recent::Recent;
use crate::scene::Size;
use crate::{DatasetError, LoadedScene, Mask, Raster, RasterFile, Scene, SceneSource, Window};

/// More files are never open at the same time; systems allow about a thousand.
const MOST_FILES: usize = 256;

/// A large TIFF may take this part of the memory: two dates and a label fit in beside others.
const LARGE_FILES: usize = 8;

/// Where the pixels of scenes are kept between two crops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Bytes of decoded pixels that stay in memory, of the scenes used last. What does not fit is decoded again.
    pub memory: usize,
    /// A folder for decoded pixels, as large as all images decoded; crops are then read from there. A file whose image has
    /// another size or modification time than it had is made anew.
    pub folder: Option<PathBuf>,
}

impl Default for Storage {
    /// 1 GiB, no folder.
    fn default() -> Self {
        Self { memory: 1 << 30, folder: None }
    }
}

type OpenScene = Arc<Mutex<SceneReader>>;

/// How a window is read: top, left, height and width.
type Read = fn(&mut SceneReader, usize, usize, usize, usize) -> Result<LoadedScene, DatasetError>;

/// The scenes of a split, reduced by a ratio; all places are in reduced pixels.
pub(crate) struct Store {
    scenes: Vec<Scene>,
    ratio: usize,
    storage: Storage,
    readers: Mutex<Recent<usize, OpenScene>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenes, ratio, storage, .. } = self;
        f.debug_struct("Store").field("scenes", scenes).field("ratio", ratio).field("storage", storage).finish()
    }
}

impl Store {
    pub(crate) fn new(scenes: Vec<Scene>, ratio: usize, storage: Storage) -> Self {
        let readers = Mutex::new(Recent::new(storage.memory));
        Self { scenes, ratio, storage, readers }
    }

    pub(crate) fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    /// The size that all images of a scene have, after a check that they and the label do.
    pub(crate) fn size(&self, scene: usize) -> Result<Size, DatasetError> {
        let reader = self.reader(scene)?;
        let (reader, scene) = (locked(&reader), &self.scenes[scene]);
        if !reader.has_label() {
            return Err(scene.no_label());
        }
        let (width, height, bands) = (reader.width(), reader.height(), reader.bands());
        let ratio = self.ratio;
        if ratio == 0 || width.min(height) < ratio {
            return Err(DatasetError::TooSmallToDownsample { scene: scene.path(Some(0)), width, height, ratio });
        }
        Ok(Size { width: width / ratio, height: height / ratio, bands })
    }

    /// The images and the label of a scene, inside a window that lies within it.
    pub(crate) fn window(
        &self,
        scene: usize,
        Window { top, left, bottom, right }: Window,
        read: Read,
    ) -> Result<(Vec<Arc<Raster>>, Arc<Mask>), DatasetError> {
        let [top, left, height, width] = [top, left, bottom - top, right - left].map(|length| length * self.ratio);
        let reader = self.reader(scene)?;
        let LoadedScene { images, label, .. } = read(&mut locked(&reader), top, left, height, width)?;
        let label = label.ok_or_else(|| self.scenes[scene].no_label())?;
        Ok(match self.ratio {
            1 => (images, label),
            ratio => {
                let images = images.iter().map(|image| Arc::new(image.downsampled(ratio))).collect();
                (images, Arc::new(label.downsampled(ratio)))
            }
        })
    }

    /// All pixels of a scene.
    pub(crate) fn load(&self, scene: usize) -> Result<LoadedScene, DatasetError> {
        let name = self.scenes[scene].name.clone();
        if let (SceneSource::Memory { images, label }, 1) = (&self.scenes[scene].source, self.ratio) {
            return Ok(LoadedScene { name, images: images.clone(), label: Some(label.clone()) });
        }
        let Size { width, height, bands } = self.size(scene)?;
        fits_memory(&self.scenes[scene].path(Some(0)), width * self.ratio, height * self.ratio, bands)?;
        let window = Window { top: 0, left: 0, bottom: height, right: width };
        let (images, label) = self.window(scene, window, SceneReader::window)?;
        Ok(LoadedScene { name, images, label: Some(label) })
    }

    /// Once every label was judged as a whole, its parts are judged by themselves; a reader opened later need not look at
    /// all of it again.
    pub(crate) fn settle_labels(&mut self) {
        for scene in &mut self.scenes {
            if let SceneSource::Files { rule, .. } = &mut scene.source
                && let Some(settled) = rule.settled()
            {
                *rule = settled;
            }
        }
    }

    /// A reader of one's own, which the limits of the storage do not count.
    pub(crate) fn open(&self, scene: usize) -> Result<SceneReader, DatasetError> {
        let (ratio, scene) = (self.ratio, &self.scenes[scene]);
        if ratio != 1 {
            return Err(DatasetError::Downsampled { scene: scene.path(Some(0)), ratio });
        }
        let folder = self.storage.folder.as_deref();
        SceneReader::open(scene, |path| RasterFile::open_often(path, CACHE_BYTES, folder))
    }

    /// The open scene; opened without the lock, so that other threads go on: where two open the same, the first is kept.
    fn reader(&self, scene: usize) -> Result<OpenScene, DatasetError> {
        let found = self.readers().get(&scene);
        if let Some(reader) = found {
            return Ok(reader);
        }
        let Storage { memory, folder } = &self.storage;
        let opened = SceneReader::open(&self.scenes[scene], |path| {
            RasterFile::open_often(path, memory / LARGE_FILES, folder.as_deref())
        })?;
        let bytes = |file: &RasterFile| (file.most_bytes() as usize).max(memory / MOST_FILES).max(1);
        let bytes = opened.files().map(bytes).sum();
        let mut readers = self.readers();
        if let Some(reader) = readers.get(&scene) {
            return Ok(reader);
        }
        let reader = Arc::new(Mutex::new(opened));
        readers.insert(scene, reader.clone(), bytes);
        Ok(reader)
    }

    fn readers(&self) -> MutexGuard<'_, Recent<usize, OpenScene>> {
        locked(&self.readers)
    }
}

/// A thread that panicked while it held a lock was reading: what is there is still right.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
