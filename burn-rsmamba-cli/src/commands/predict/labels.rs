//! Maps beside their labels: scores, and a picture of the errors.

use std::path::{Path, PathBuf};

use burn_rsmamba_datasets::{LabelRule, Mask, Pixels, RasterFile, Scene, SceneOrigin};

use super::Job;
use crate::mask_file::Coding;
use crate::pictures;
use crate::pictures::errors::{Agreement, ErrorMap};
use crate::scores::Counts;

/// Rows that are compared at a time.
const ROWS: usize = 256;

/// The label of a place.
pub(super) struct Label {
    pub(super) path: PathBuf,
    pub(super) rule: LabelRule,
    /// Logits a pixel of the model that is compared.
    pub(super) classes: usize,
    /// Where the picture of the errors goes.
    pub(super) errors: PathBuf,
}

impl Label {
    /// A scene of this label with an image of its size.
    fn scene(&self, image: &Path) -> Scene {
        let source = SceneOrigin::Files {
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

    /// The counts of the finished mask; the picture of its errors is written.
    pub(super) fn score(&self, mask: &Path) -> anyhow::Result<Counts> {
        let (counts, picture) = self.compare(mask, pictures::QUICK_LOOK)?;
        pictures::write_picture(&self.errors, &picture)?;
        Ok(counts)
    }

    /// Compares the finished mask with the label, row by row: its counts, and the picture of its errors, of at most `side` pixels a
    /// side.
    pub(super) fn compare(&self, mask: &Path, side: usize) -> anyhow::Result<(Counts, image::RgbImage)> {
        let mut label = self.scene(mask).reader()?;
        let mut mask = RasterFile::open(mask)?;
        mask.keep_rows(ROWS);
        let (height, width) = (mask.height(), mask.width());
        let (coding, mut counts) = (Coding::of(self.classes), Counts::new(self.classes));
        let mut picture = ErrorMap::new(width, height, side);
        for top in (0..height).step_by(ROWS) {
            let rows = ROWS.min(height - top);
            let truth = label.label(top, 0, rows, width)?;
            let found = mask.window(top, 0, rows, width)?;
            let (Some(truth), Pixels::U8(found)) = (truth, &found.pixels) else {
                anyhow::bail!("{} is no mask of this program", mask.path().display());
            };
            // Pixels without data, in the images or in the label, count nowhere.
            let class = |found: u8, truth: u8| coding.class(found).filter(|_| truth != Mask::IGNORED);
            let pixels = found.iter().zip(&truth.data).map(|(&found, &truth)| (class(found, truth), truth));
            if let Some((found, _)) =
                pixels.clone().find(|(found, _)| usize::from(found.unwrap_or(0)) >= self.classes.max(2))
            {
                anyhow::bail!(
                    "{} holds class {}, and the model knows {}; map it anew with --force",
                    mask.path().display(),
                    found.unwrap_or_default(),
                    self.classes
                );
            }
            counts.count(pixels.clone().filter_map(|(found, truth)| Some((found?, truth))));
            let pixels: Vec<Agreement> =
                pixels.map(|(found, truth)| Agreement::of(found.is_some(), found.unwrap_or(0), truth)).collect();
            pixels.chunks(width).for_each(|row| picture.push(row.iter().copied()));
        }
        Ok((counts, picture.finish()))
    }
}
