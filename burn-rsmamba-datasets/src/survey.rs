//! What a scene is like, read strip by strip: a scene of any size takes little memory.

use crate::reader::SceneReader;
use crate::statistics::Sums;
use crate::{DatasetError, Pixels, Scene};

/// Values of an image that are looked at together; a scene of fewer is looked at as a whole.
const STRIP_VALUES: usize = 8 << 20;

/// What one scene is like; [`Statistics::of_surveys`](crate::Statistics::of_surveys) says it of many.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bands of an image.
    pub bands: usize,
    /// The type of the values, one a date: `8-bit`, `16-bit` or `float`.
    pub samples: Vec<&'static str>,
    /// Pixels of the label that are target.
    pub target: u64,
    /// Pixels of the label; 0 where there is none.
    pub labelled: u64,
    pub(crate) sums: Sums,
}

impl Scene {
    /// Looks at every pixel of the scene and of its label, some rows at a time.
    ///
    /// # Errors
    /// What is wrong with its files: as [`load`](Self::load), but for a scene that is too large for it.
    pub fn survey(&self) -> Result<Survey, DatasetError> {
        survey(&mut self.reader()?)
    }
}

/// Looks at every pixel of an open scene.
pub(crate) fn survey(reader: &mut SceneReader) -> Result<Survey, DatasetError> {
    by_strips(reader, STRIP_VALUES)
}

fn by_strips(reader: &mut SceneReader, strip_values: usize) -> Result<Survey, DatasetError> {
    let (width, height, bands) = (reader.width(), reader.height(), reader.bands());
    let rows = (strip_values / width.saturating_mul(bands).max(1)).clamp(1, height);
    let strips = || (0..height).step_by(rows).map(|top| (top, rows.min(height - top)));
    let mut found = Survey { width, height, bands, samples: Vec::new(), target: 0, labelled: 0, sums: Sums::default() };
    // Date by date, as a scene in memory is measured: the sums are the same to the bit.
    for date in 0..reader.dates() {
        for (top, rows) in strips() {
            let (image, _) = reader.image(date, top, 0, rows, width)?;
            if top == 0 {
                found.samples.push(match image.pixels {
                    Pixels::U8(_) => "8-bit",
                    Pixels::U16(_) => "16-bit",
                    Pixels::F32(_) => "float",
                });
            }
            found.sums.add_image(&image);
        }
    }
    for (top, rows) in strips() {
        let Some(label) = reader.label(top, 0, rows, width)? else { break };
        found.target += label.target() as u64;
        found.labelled += label.data.len() as u64;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Mask, Raster, SceneSource, Statistics, statistics};

    #[test]
    fn strips_of_any_height_find_what_the_whole_scene_holds() {
        let image = |step: usize| {
            let values = (0..7 * 11 * 2).map(|index| if index / 2 % 5 == 0 { 0 } else { (index * step) as u16 | 1 });
            Arc::new(Raster { width: 7, height: 11, bands: 2, pixels: Pixels::U16(values.collect()) })
        };
        let data = (0..77).map(|index| [0, 1, Mask::IGNORED][index % 3]).collect();
        let label = Arc::new(Mask { width: 7, height: 11, data });
        let source = SceneSource::Memory { images: vec![image(613), image(877)], label };
        let scene = Scene { name: "s".into(), source };
        let expected = statistics(&[scene.load().unwrap()]);
        for strip_values in [0, 14, 50, 1000] {
            let found = by_strips(&mut scene.reader().unwrap(), strip_values).unwrap();
            assert_eq!((found.width, found.height, found.bands), (7, 11, 2));
            assert_eq!(found.samples, ["16-bit"; 2]);
            assert_eq!((found.target, found.labelled), (26, 77));
            assert_eq!(Statistics::of_surveys([&found]), expected, "{strip_values}");
        }
    }
}
