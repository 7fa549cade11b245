//! Random masks, and what they hold by plain flood filling.

use burn_rsmamba::vector::{Class, Run, runs};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// A mask with a probability a pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mask {
    pub(crate) width: usize,
    pub(crate) classes: Vec<Class>,
    pub(crate) probabilities: Vec<f32>,
}

impl Mask {
    /// Pixels that are marked, or have no data, with these probabilities.
    pub(crate) fn random(seed: u64, width: usize, height: usize, marked: f64, nodata: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let classes = (0..width * height).map(|_| match random.random::<f64>() {
            value if value < nodata => Class::NoData,
            value if value < nodata + (1.0 - nodata) * marked => Class::Marked,
            _ => Class::Background,
        });
        let classes = classes.collect();
        let probabilities = (0..width * height).map(|_| random.random::<f32>()).collect();
        Self { width, classes, probabilities }
    }

    /// A mask as a picture: `#` is marked, `?` has no data.
    pub(crate) fn drawn(rows: &[&str]) -> Self {
        let classes: Vec<Class> = rows
            .iter()
            .flat_map(|row| row.bytes())
            .map(|pixel| match pixel {
                b'#' => Class::Marked,
                b'?' => Class::NoData,
                _ => Class::Background,
            })
            .collect();
        Self { width: rows[0].len(), probabilities: vec![0.5; classes.len()], classes }
    }

    pub(crate) fn height(&self) -> usize {
        self.classes.len() / self.width
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<Run>> {
        let rows = self.classes.chunks(self.width).zip(self.probabilities.chunks(self.width));
        rows.map(|(classes, values)| runs(classes.iter().copied().zip(values.iter().copied())))
    }

    /// The pixels of each connected part of those that are marked, or of those that are not.
    pub(crate) fn parts(&self, marked: bool, corners: bool) -> Vec<Vec<usize>> {
        let wanted = |pixel: usize| (self.classes[pixel] == Class::Marked) == marked;
        let mut seen = vec![false; self.classes.len()];
        let mut parts = Vec::new();
        for start in (0..self.classes.len()).filter(|&pixel| wanted(pixel)) {
            let (mut part, mut next) = (Vec::new(), vec![start]);
            while let Some(pixel) = next.pop() {
                if std::mem::replace(&mut seen[pixel], true) {
                    continue;
                }
                part.push(pixel);
                let near = self.neighbours(pixel, corners);
                next.extend(near.into_iter().filter(|&near| wanted(near) && !seen[near]));
            }
            if !part.is_empty() {
                parts.push(part);
            }
        }
        parts
    }

    fn neighbours(&self, pixel: usize, corners: bool) -> Vec<usize> {
        let (row, column) = ((pixel / self.width) as i64, (pixel % self.width) as i64);
        let steps = (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right)));
        let inside =
            |&(y, x): &(i64, i64)| (0..self.height() as i64).contains(&y) && (0..self.width as i64).contains(&x);
        steps
            .filter(|&(down, right)| (down, right) != (0, 0) && (corners || down == 0 || right == 0))
            .map(|(down, right)| (row + down, column + right))
            .filter(inside)
            .map(|(y, x)| y as usize * self.width + x as usize)
            .collect()
    }

    /// Whether a pixel is at the border of the mask.
    pub(crate) fn at_border(&self, pixel: usize) -> bool {
        let (row, column) = (pixel / self.width, pixel % self.width);
        row == 0 || column == 0 || row + 1 == self.height() || column + 1 == self.width
    }
}
