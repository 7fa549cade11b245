//! Windows of the scenes of a split, from files that stay open within a limit of memory.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::raster::fits_memory;
use crate::reader::{CACHE_BYTES, SceneReader, ignore};
use crate::recent::Recent;
use crate::scene::Size;
use crate::sync::locked;
use crate::{DatasetError, LoadedScene, Mask, Raster, RasterFile, Scene, SceneOrigin, Window};

/// Of no more files are scenes open, each of which a reader has open once more; some systems allow 256 in all.
const MOST_FILES: usize = 96;

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

/// Of more scenes than these, no more than one reader each waits for the next crop.
const FEW_SCENES: usize = 8;

/// An open scene: readers share what they decode, and there are as many as threads that read the scene at the same time.
struct OpenScene {
    /// What others are made of; it is never read itself, so nobody waits for it.
    first: SceneReader,
    idle: Mutex<Vec<SceneReader>>,
}

/// How a window is read, by top, left, height and width: its pixels, and which of them have no data.
type Read = fn(&mut SceneReader, usize, usize, usize, usize) -> Result<(LoadedScene, Vec<bool>), DatasetError>;

/// The scenes of a split, reduced by a ratio; all places are in reduced pixels.
pub(crate) struct Store {
    scenes: Vec<Scene>,
    ratio: usize,
    storage: Storage,
    readers: Mutex<Recent<usize, Arc<OpenScene>>>,
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
        let (open, scene) = (self.open_scene(scene)?, &self.scenes[scene]);
        if !open.first.has_label() {
            return Err(scene.no_label());
        }
        let (width, height, bands) = (open.first.width(), open.first.height(), open.first.bands());
        let ratio = self.ratio;
        if ratio == 0 || width.min(height) < ratio {
            return Err(DatasetError::TooSmallToDownsample { scene: scene.path(Some(0)), width, height, ratio });
        }
        Ok(Size { width: width / ratio, height: height / ratio, bands })
    }

    /// The images and the label of a scene, inside a window that lies within it. Pixels without data are ignored in the label; made
    /// smaller, those that have none in a part of them.
    pub(crate) fn window(
        &self,
        scene: usize,
        Window { top, left, bottom, right }: Window,
        read: Read,
    ) -> Result<(Vec<Arc<Raster>>, Arc<Mask>), DatasetError> {
        let [top, left, height, width] = [top, left, bottom - top, right - left].map(|length| length * self.ratio);
        let open = self.open_scene(scene)?;
        let waiting = locked(&open.idle).pop();
        let mut reader = waiting.map_or_else(|| open.first.again(), Ok)?;
        let found = read(&mut reader, top, left, height, width);
        let few = locked(&self.readers).len() <= FEW_SCENES;
        let mut idle = locked(&open.idle);
        if few || idle.is_empty() {
            idle.push(reader);
        }
        drop(idle);
        let (LoadedScene { mut images, mut label, .. }, mut nodata) = found?;
        if self.ratio > 1 {
            images = images.iter().map(|image| Arc::new(image.downsampled(self.ratio))).collect();
            label = label.map(|label| Arc::new(label.downsampled(self.ratio)));
            nodata = reduced(&nodata, width, self.ratio);
        }
        ignore(&mut label, &nodata);
        Ok((images, label.ok_or_else(|| self.scenes[scene].no_label())?))
    }

    /// All pixels of a scene.
    pub(crate) fn load(&self, scene: usize) -> Result<LoadedScene, DatasetError> {
        let name = self.scenes[scene].name.clone();
        if let (SceneOrigin::Memory { images, label }, 1) = (&self.scenes[scene].source, self.ratio) {
            return Ok(LoadedScene { name, images: images.clone(), label: Some(label.clone()) });
        }
        let Size { width, height, bands } = self.size(scene)?;
        fits_memory(&self.scenes[scene].path(Some(0)), width * self.ratio, height * self.ratio, bands)?;
        let window = Window { top: 0, left: 0, bottom: height, right: width };
        let (images, label) = self.window(scene, window, SceneReader::window_and_nodata)?;
        Ok(LoadedScene { name, images, label: Some(label) })
    }

    /// Once every label was judged as a whole, its parts are judged by themselves; a reader opened later need not look at
    /// all of it again.
    pub(crate) fn settle_labels(&mut self) {
        for scene in &mut self.scenes {
            if let SceneOrigin::Files { rule, .. } = &mut scene.source
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
    fn open_scene(&self, scene: usize) -> Result<Arc<OpenScene>, DatasetError> {
        let found = locked(&self.readers).get(&scene);
        if let Some(open) = found {
            return Ok(open);
        }
        let Storage { memory, folder } = &self.storage;
        let mut first = SceneReader::open(&self.scenes[scene], |path| {
            RasterFile::open_often(path, memory / LARGE_FILES, folder.as_deref())
        })?;
        first.settle()?;
        let least = |file: &RasterFile| if file.is_in_memory() { 1 } else { (memory / MOST_FILES).max(1) };
        let bytes = |file: &RasterFile| (file.most_bytes() as usize).max(least(file));
        let bytes = first.files().map(bytes).sum();
        let mut readers = locked(&self.readers);
        if let Some(open) = readers.get(&scene) {
            return Ok(open);
        }
        let open = Arc::new(OpenScene { first, idle: Mutex::new(Vec::new()) });
        readers.insert(scene, open.clone(), bytes);
        Ok(open)
    }
}

/// For each square of so many pixels whether one of them is flagged; squares that are cut off are left out.
fn reduced(flags: &[bool], width: usize, ratio: usize) -> Vec<bool> {
    let columns = width / ratio;
    let mut out = vec![false; flags.len() / width.max(1) / ratio * columns];
    for (row, line) in flags.chunks_exact(width.max(1)).enumerate().take(out.len() / columns.max(1) * ratio) {
        for (column, _) in line.iter().enumerate().filter(|(column, flag)| **flag && column / ratio < columns) {
            out[row / ratio * columns + column / ratio] = true;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::{GeoTiff, LabelRule, Pixels};

    #[test]
    fn threads_read_a_scene_beside_each_other_and_decode_each_block_once() {
        let folder = tempfile::tempdir().unwrap();
        // More than what is decoded whole.
        let (width, height) = (4100, 4100);
        let path = |name: &str| folder.path().join(name);
        let value = |row: usize, column: usize| (row / 100 * 7 + column / 100) as u8 % 2;
        for name in ["image.tif", "label.tif"] {
            let rows = |top: usize, count: usize| {
                let pixels = (top..top + count).flat_map(|row| (0..width).map(move |column| value(row, column)));
                Ok::<Vec<u8>, tiff::TiffError>(pixels.collect())
            };
            let file = File::create(path(name)).unwrap();
            GeoTiff { width, height, georeference: None, nodata: None }.write(file, rows).unwrap();
        }
        let source = SceneOrigin::Files {
            images: vec![path("image.tif")],
            label: Some(path("label.tif")),
            rule: LabelRule::NonZero,
            region: None,
        };
        let store = Store::new(vec![Scene { name: "s".into(), source }], 1, Storage::default());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for top in (thread * 300..height).step_by(1200) {
                        for left in (0..width).step_by(300) {
                            let (bottom, right) = ((top + 300).min(height), (left + 300).min(width));
                            let window = Window { top, left, bottom, right };
                            let (images, label) = store.window(0, window, SceneReader::window_and_nodata).unwrap();
                            let pixels = (top..bottom).flat_map(|row| (left..right).map(move |c| value(row, c)));
                            let expected: Vec<u8> = pixels.collect();
                            assert!(label.data == expected, "{window:?}");
                            assert!(images[0].pixels == Pixels::U8(expected), "{window:?}");
                        }
                    }
                });
            }
        });
        let open = store.open_scene(0).unwrap();
        assert_eq!(open.first.decoded_blocks(), 2 * 17 * 17);
        assert!((1..=4).contains(&locked(&open.idle).len()), "readers wait for the next crop");
    }
}
