//! Scores of a model on whole scenes of any size, mapped window by window.

use anyhow::Context;
use burn_dataset::Dataset;
use burn_rsmamba::inference::{Area, Patch, SceneSize, SceneSource, Step};
use burn_rsmamba::vector::sieved;
use burn_rsmamba_datasets::{Crops, DatasetError, Mask, Scene, SceneOrigin, SceneReader, Window};

use crate::interrupt;
use crate::mapping::Mapper;
use crate::mask_file::Coding;
use crate::progress::Progress;
use crate::scores::Counts;

/// Rows of a label that are read at a time.
const ROWS: usize = 256;

/// A scene with what the model made of it; everything row by row, a value a pixel.
#[derive(Debug)]
pub(crate) struct ScoredScene<'a> {
    /// Its number.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: &'a str,
    /// Columns.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) height: usize,
    /// What the classes of the model mean.
    pub(crate) coding: Coding,
    /// The class of each pixel by the label; of one class, 1 is target.
    pub(crate) truth: &'a [u8],
    /// The class that was found at each pixel.
    pub(crate) found: &'a [u8],
    /// Whether each pixel counts; those without data, blank borders and ignored pixels do not.
    pub(crate) counted: &'a [bool],
    /// The pixels that count, by kind.
    pub(crate) counts: &'a Counts,
}

/// Maps every scene as `predict` does and scores the pixels of its crops.
///
/// # Errors
///
/// When a scene cannot be mapped, or `each` fails.
pub(crate) fn score_scenes(
    mapper: &Mapper<'_>,
    crops: &Crops,
    progress: &mut Progress,
    mut each: impl FnMut(&ScoredScene<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Counts> {
    let logits = mapper.model.classes();
    let mut all = Counts::new(logits);
    // They come scene by scene, in the order of the scenes.
    let mut windows = (0..crops.len()).map(|index| crops.counted(index)).peekable();
    progress.start("scoring", crops.scene_count());
    for index in 0..crops.scene_count() {
        let mut reader = open(crops, index)?;
        let (height, width) = (reader.height(), reader.width());
        let name = reader.name().to_owned();
        let kept = std::iter::from_fn(|| windows.next_if(|(scene, _)| *scene == index)).map(|(_, window)| window);
        let mut counted = inside(kept, height, width);
        let truth = truth(&mut reader, &mut counted)?;
        let found = map(mapper, reader, &mut counted).with_context(|| name.clone())?;
        let pixels = (0..truth.len()).filter(|&pixel| counted[pixel]);
        let mut counts = Counts::new(logits);
        counts.count(pixels.map(|pixel| (found[pixel], truth[pixel])));
        all += &counts;
        let (coding, truth, found, counted, counts) = (Coding::of(logits), &truth, &found, &counted, &counts);
        each(&ScoredScene { index, name: &name, width, height, coding, truth, found, counted, counts })?;
        progress.advance(name.as_str());
    }
    progress.finish();
    Ok(all)
}

/// A scene of any size; one that is made smaller first is in memory.
fn open(crops: &Crops, index: usize) -> Result<SceneReader, DatasetError> {
    match crops.reader(index) {
        Err(DatasetError::Downsampled { scene, .. }) => {
            let loaded = crops.scene(index)?;
            let label = loaded.label.ok_or_else(|| DatasetError::NoLabel { scene: scene.display().to_string() })?;
            Scene { name: loaded.name, source: SceneOrigin::Memory { images: loaded.images, label } }.reader()
        }
        opened => opened,
    }
}

/// The pixels of the crops that were kept.
fn inside(windows: impl Iterator<Item = Window>, height: usize, width: usize) -> Vec<bool> {
    let mut counted = vec![false; width * height];
    for window in windows {
        for row in window.top..window.bottom {
            counted[row * width + window.left..row * width + window.right].fill(true);
        }
    }
    counted
}

/// The class of each pixel; those that are ignored do not count any more.
fn truth(reader: &mut SceneReader, counted: &mut [bool]) -> Result<Vec<u8>, DatasetError> {
    let (height, width) = (reader.height(), reader.width());
    let mut truth = Vec::with_capacity(height * width);
    for top in (0..height).step_by(ROWS) {
        let label = reader.label(top, 0, ROWS.min(height - top), width)?;
        let label = label.ok_or_else(|| DatasetError::NoLabel { scene: reader.name().to_owned() })?;
        for (value, counted) in label.data.iter().zip(&mut counted[top * width..]) {
            *counted &= *value != Mask::IGNORED;
        }
        truth.extend_from_slice(&label.data);
    }
    Ok(truth)
}

/// The class that is found at each pixel; those without data do not count any more, and are of class 0.
fn map(mapper: &Mapper<'_>, reader: SceneReader, counted: &mut [bool]) -> anyhow::Result<Vec<u8>> {
    let width = reader.width();
    let mut found = Vec::with_capacity(counted.len());
    mapper.predictor().map(Source(reader), |step| {
        if interrupt::requested() {
            anyhow::bail!(
                "interrupted before all scenes were scored; the weights are kept, and train --resume scores them"
            );
        }
        if let Step::Rows { values, nodata, .. } = step {
            let counted = &mut counted[found.len()..];
            found.extend(mapper.found(values).into_iter().zip(nodata).zip(counted).map(
                |((found, &nodata), counted)| {
                    *counted &= !nodata;
                    if nodata { 0 } else { found }
                },
            ));
        }
        anyhow::Ok(())
    })?;
    let Some((least, fill_holes)) = mapper.sieve else { return Ok(found) };
    let marked: Vec<bool> = found.into_iter().map(|class| class > 0).collect();
    Ok(sieved(&marked, width, least, fill_holes).into_iter().map(u8::from).collect())
}

/// The images of a scene.
struct Source(SceneReader);

impl SceneSource for Source {
    type Error = anyhow::Error;

    fn size(&self) -> SceneSize {
        SceneSize { bands: self.0.bands(), height: self.0.height(), width: self.0.width() }
    }

    fn read(&mut self, date: usize, Area { top, left, height, width }: Area) -> anyhow::Result<Patch> {
        let (image, nodata) = self.0.image(date, top, left, height, width)?;
        Ok(Patch { values: image.to_chw_f32(), nodata })
    }
}
