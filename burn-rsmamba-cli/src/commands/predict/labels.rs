//! Maps beside their labels: scores, and a picture of the errors.

use std::path::{Path, PathBuf};

use burn_rsmamba::metrics::Confusion;
use burn_rsmamba_datasets::{LabelRule, Mask, Pixels, RasterFile, Scene, SceneSource};

use super::Job;
use crate::mask_file::{MARKED, NODATA};
use crate::pictures::errors::{Agreement, ErrorMap};

/// Rows that are compared at a time.
const ROWS: usize = 256;

/// The label of a place.
pub(super) struct Label {
    pub(super) path: PathBuf,
    pub(super) rule: LabelRule,
    /// Where the picture of the errors goes.
    pub(super) errors: PathBuf,
}

impl Label {
    /// A scene of this label with an image of its size.
    fn scene(&self, image: &Path) -> Scene {
        let source = SceneSource::Files {
            images: vec![image.to_owned()],
            label: Some(self.path.clone()),
            rule: self.rule.clone(),
            region: None,
        };
        Scene { name: self.path.display().to_string(), source }
    }

    /// Whether the label has the size of the images and values that its rule allows, before they are mapped.
    pub(super) fn check(&self, job: &Job) -> anyhow::Result<()> {
        // A part of a label is only given out once all of it was judged.
        self.scene(&job.images[0]).reader()?.label(0, 0, 1, 1)?;
        Ok(())
    }

    /// Compares the finished mask with the label, row by row: its counts, and the picture of its errors, of at most `side` pixels a
    /// side.
    pub(super) fn compare(&self, mask: &Path, side: usize) -> anyhow::Result<(Confusion, image::RgbImage)> {
        let mut label = self.scene(mask).reader()?;
        let mut mask = RasterFile::open(mask)?;
        let (height, width) = (mask.height(), mask.width());
        let (mut counts, mut picture) = (Confusion::default(), ErrorMap::new(width, height, side));
        for top in (0..height).step_by(ROWS) {
            let rows = ROWS.min(height - top);
            let truth = label.label(top, 0, rows, width)?;
            let found = mask.window(top, 0, rows, width)?;
            let (Some(truth), Pixels::U8(found)) = (truth, &found.pixels) else {
                anyhow::bail!("{} is no mask of this program", mask.path().display());
            };
            let pixels: Vec<Agreement> =
                found.iter().zip(&truth.data).map(|(&found, &truth)| agreement(found, truth)).collect();
            for pixel in &pixels {
                match pixel {
                    Agreement::Hit => counts.tp += 1,
                    Agreement::FalseAlarm => counts.fp += 1,
                    Agreement::Miss => counts.fn_ += 1,
                    Agreement::Rest => counts.tn += 1,
                    Agreement::Uncounted => {}
                }
            }
            pixels.chunks(width).for_each(|row| picture.push(row.iter().copied()));
        }
        Ok((counts, picture.finish()))
    }
}

/// Pixels without data, in the images or in the label, count nowhere.
fn agreement(found: u8, truth: u8) -> Agreement {
    let counted = found != NODATA && truth != Mask::IGNORED;
    Agreement::of(counted, found == MARKED, Mask::is_target(truth))
}
