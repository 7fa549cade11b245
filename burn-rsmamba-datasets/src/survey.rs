//! What a scene is like, read strip by strip: a scene of any size takes little memory.

use std::collections::BTreeMap;

use crate::reader::SceneReader;
use crate::statistics::Sums;
use crate::{DatasetError, Pixels, Raster, Scene};

/// Values of an image that are looked at together; a scene of fewer is looked at as a whole.
const STRIP_VALUES: usize = 8 << 20;

/// Different values of labels that are counted one by one.
const MOST_VALUES: usize = 256;

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
    /// Images of which an alpha band was left out.
    pub alpha: usize,
    /// Pixels of the label of each class; without classes, of background and target. Zeros where there is no label.
    pub classes: Vec<u64>,
    /// Pixels of the label that count nowhere.
    pub ignored: u64,
    /// What the pixels of the label hold in the file, in the order of its text; of several bands all of them, `255/0/0`. Beyond 256
    /// different ones the rest is counted as `others`.
    pub values: BTreeMap<String, u64>,
    pub(crate) sums: Sums,
}

impl Survey {
    /// Pixels of the label that are target: of several classes, of another than the first.
    pub fn target(&self) -> u64 {
        self.classes.iter().skip(1).sum()
    }

    /// Pixels of the label that count; 0 where there is none.
    pub fn labelled(&self) -> u64 {
        self.classes.iter().sum()
    }

    fn count_values(&mut self, label: &Raster) {
        let pixel = |index: usize| (0..label.bands).map(move |band| label.pixels.raw(index * label.bands + band));
        let pixels = label.width * label.height;
        let mut start = 0;
        while start < pixels {
            // Labels have long runs of one value.
            let same = |index: &usize| pixel(*index).map(f32::to_bits).eq(pixel(start).map(f32::to_bits));
            let count = (start..pixels).take_while(same).count();
            let text = pixel(start).map(|value| value.to_string()).collect::<Vec<_>>().join("/");
            let known = self.values.len() < MOST_VALUES || self.values.contains_key(&text);
            *self.values.entry(if known { text } else { "others".into() }).or_default() += count as u64;
            start += count;
        }
    }
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
    let mut found = Survey {
        width,
        height,
        bands,
        samples: Vec::new(),
        alpha: reader.images_with_alpha(),
        classes: vec![0; reader.classes()],
        ignored: 0,
        values: BTreeMap::new(),
        sums: Sums::default(),
    };
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
        for &class in &label.data {
            match found.classes.get_mut(usize::from(class)) {
                Some(count) => *count += 1,
                None => found.ignored += 1,
            }
        }
        if let Some(stored) = reader.stored_label(top, 0, rows, width)? {
            found.count_values(&stored);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Mask, SceneOrigin, Statistics, statistics};

    #[test]
    fn strips_of_any_height_find_what_the_whole_scene_holds() {
        let image = |step: usize| {
            let values = (0..7 * 11 * 2).map(|index| if index / 2 % 5 == 0 { 0 } else { (index * step) as u16 | 1 });
            Arc::new(Raster { width: 7, height: 11, bands: 2, pixels: Pixels::U16(values.collect()) })
        };
        let data = (0..77).map(|index| [0, 1, Mask::IGNORED][index % 3]).collect();
        let label = Arc::new(Mask { width: 7, height: 11, data });
        let source = SceneOrigin::Memory { images: vec![image(613), image(877)], label };
        let scene = Scene { name: "s".into(), source };
        let expected = statistics(&[scene.load().unwrap()]);
        for strip_values in [0, 14, 50, 1000] {
            let found = by_strips(&mut scene.reader().unwrap(), strip_values).unwrap();
            assert_eq!((found.width, found.height, found.bands), (7, 11, 2));
            assert_eq!(found.samples, ["16-bit"; 2]);
            assert_eq!((found.target(), found.labelled(), found.ignored), (26, 52, 25));
            let values: Vec<(&str, u64)> = found.values.iter().map(|(value, &count)| (&value[..], count)).collect();
            assert_eq!(values, [("0", 26), ("1", 26), ("255", 25)]);
            assert_eq!(Statistics::of_surveys([&found]), expected, "{strip_values}");
        }
    }

    #[test]
    fn values_of_labels_are_counted_as_they_are_stored() {
        let survey = |label: &Raster| {
            let image = Arc::new(Raster { width: 1, height: 1, bands: 1, pixels: Pixels::U8(vec![1]) });
            let mask = Arc::new(Mask { width: 1, height: 1, data: vec![0] });
            let scene = Scene { name: "s".into(), source: SceneOrigin::Memory { images: vec![image], label: mask } };
            let mut found = Survey { values: BTreeMap::new(), ..scene.survey().unwrap() };
            found.count_values(label);
            found.values
        };
        let red = Raster { width: 2, height: 2, bands: 3, pixels: Pixels::U8([255, 0, 0].repeat(4)) };
        assert_eq!(survey(&red), BTreeMap::from([("255/0/0".into(), 4)]));
        let grey = Raster { width: 300, height: 2, bands: 1, pixels: Pixels::U16((0..300).chain(0..300).collect()) };
        let found = survey(&grey);
        assert_eq!((found.len(), found["255"], found["others"]), (257, 2, 2 * 44));
    }
}
