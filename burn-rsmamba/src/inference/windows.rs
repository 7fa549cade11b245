//! How an image is cut for the model, and how what windows say of the same pixel is brought together.

use super::InferenceError;
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range};

/// How an image is cut for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Side of a square window; `None` runs the whole image at once.
    pub size: Option<usize>,
    /// Pixels that neighbouring windows share.
    pub overlap: usize,
    /// What becomes of the pixels that they share.
    pub blend: Blend,
}

impl Windows {
    /// The whole image at once.
    pub const WHOLE: Self = Self { size: None, overlap: 0, blend: Blend::None };

    /// The default of a model that was trained on crops of this side: windows of the same side that share a quarter.
    pub const fn for_crop(crop: usize) -> Self {
        Self { size: Some(crop), overlap: crop / 4, blend: Blend::Cosine }
    }

    /// Windows of another side that share the same part of it.
    #[must_use]
    pub fn resized(self, size: usize) -> Self {
        let overlap = self.size.map_or(size / 4, |before| self.overlap * size / before.max(1));
        Self { size: Some(size), overlap, ..self }
    }

    /// Whether a model can be run on such windows.
    ///
    /// # Errors
    ///
    /// [`InferenceError::Window`] for windows of less than 32 pixels, or of no more than they share.
    pub fn check(self) -> Result<(), InferenceError> {
        match self.size {
            Some(size) if size < 32 || size <= self.overlap => {
                Err(InferenceError::Window { size, overlap: self.overlap })
            }
            _ => Ok(()),
        }
    }

    /// The windows of one axis of an image of so many rows or columns.
    ///
    /// # Panics
    ///
    /// When the axis has no length; where [`check`](Self::check) refuses, windows may overlap by all but a pixel.
    pub fn axis(self, length: usize) -> Axis {
        assert!(length > 0, "Windows: an axis without pixels");
        let (window, overlap) = match self.size {
            None => (length, 0),
            Some(size) => (size.min(length), self.overlap),
        };
        Axis::new(length, window, overlap, self.blend)
    }
}

/// How probabilities of neighbouring windows are brought together where they overlap.
///
/// A model sees less around a pixel near a window's rim, so the rim counts less. Rims at the border of the image count in
/// full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blend {
    /// Each window keeps the half of the overlap that is nearer to it; nothing is mixed.
    None,
    /// Weights rise linearly over the overlap.
    Linear,
    /// Weights rise as half a cosine over the overlap.
    #[default]
    Cosine,
}

/// For a message: `windows of 256 pixels, 64 shared, cosine`.
impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => write!(f, "windows of {size} pixels, {} shared, blend {}", self.overlap, self.blend),
            None => f.write_str("whole images"),
        }
    }
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(blend, _)| blend == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl Blend {
    /// Every way, and its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::None, "none"), (Self::Linear, "linear"), (Self::Cosine, "cosine")];

    /// The weight of a pixel `distance` pixels inside a window that shares `overlap` with its neighbour there.
    fn weight(self, distance: usize, overlap: usize) -> f32 {
        if distance >= overlap {
            return 1.0;
        }
        let linear = (distance as f32 + 0.5) / overlap as f32;
        match self {
            // Two neighbours cut where the other begins, also when the overlap is odd.
            Self::None => f32::from(u8::from(distance >= overlap / 2)),
            Self::Linear => linear,
            Self::Cosine => 0.5 - 0.5 * (std::f32::consts::PI * linear).cos(),
        }
    }
}

/// The windows of one axis of an image: where each begins, and what it says of the pixels it shares with others.
///
/// ```
/// use burn_rsmamba::inference::{Blend, Windows};
///
/// let axis = Windows { size: Some(64), overlap: 16, blend: Blend::Linear }.axis(150);
/// assert_eq!((axis.starts(), axis.window()), (&[0, 48, 86][..], 64));
/// assert_eq!(axis.finished_by(0), 0..48);
/// // Nobody else sees the first pixels; the last window shares 26 of the one before.
/// assert_eq!((axis.weights(0)[0], axis.weights(2)[26]), (1.0, 1.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    starts: Vec<usize>,
    window: usize,
    /// For every window, the weight of each of its pixels.
    weights: Vec<Vec<f32>>,
}

impl Axis {
    fn new(length: usize, window: usize, overlap: usize, blend: Blend) -> Self {
        let last = length - window;
        let stride = (window - overlap.min(window - 1)).max(1);
        let mut starts: Vec<usize> = (0..last).step_by(stride).collect();
        starts.push(last);
        let mut weights: Vec<Vec<f32>> = (0..starts.len())
            .map(|index| {
                // The last window is moved back to the border, so it may share more than the others.
                let shared = |other: usize| window - starts[index].abs_diff(starts[other]).min(window);
                let before = if index == 0 { 0 } else { shared(index - 1) };
                let after = if index + 1 == starts.len() { 0 } else { shared(index + 1) };
                let weight = |pixel: usize| {
                    let rising = blend.weight(pixel, before);
                    // Of an odd overlap without blending the middle pixel goes to one window only.
                    let falling = match blend {
                        Blend::None if after > 0 => f32::from(u8::from(window - pixel > after - after / 2)),
                        _ => blend.weight(window - 1 - pixel, after),
                    };
                    rising * falling
                };
                (0..window).map(weight).collect()
            })
            .collect();
        normalise(&starts, &mut weights, length);
        Self { starts, window, weights }
    }

    /// Where windows start; the last one ends at the border.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Pixels of a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The weights of a window's pixels: those of all windows at a pixel add up to 1.
    ///
    /// # Panics
    ///
    /// When there is no such window.
    pub fn weights(&self, index: usize) -> &[f32] {
        &self.weights[index]
    }

    /// Pixels that no window after this one touches, and none before it has finished.
    ///
    /// # Panics
    ///
    /// When there is no such window.
    pub fn finished_by(&self, index: usize) -> Range<usize> {
        let end = self.starts.get(index + 1).map_or(self.starts[index] + self.window, |&next| next);
        self.starts[index]..end
    }
}

/// Divides by the sum of the weights at each pixel.
fn normalise(starts: &[usize], weights: &mut [Vec<f32>], length: usize) {
    let mut sums = vec![0.0f32; length];
    for (&start, weights) in starts.iter().zip(&*weights) {
        sums[start..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
    }
    for (&start, weights) in starts.iter().zip(weights) {
        weights.iter_mut().zip(&sums[start..]).for_each(|(weight, sum)| *weight /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_all_windows_add_up_to_one_at_every_pixel() {
        for length in 32..200 {
            for overlap in [0, 1, 5, 8, 16, 31] {
                for (blend, name) in Blend::ALL {
                    let axis = Axis::new(length, 32, overlap, blend);
                    let mut sums = vec![0.0f32; length];
                    for (index, &start) in axis.starts.iter().enumerate() {
                        assert_eq!(axis.weights(index).len(), 32);
                        assert!(axis.weights(index).iter().all(|&weight| (0.0..=1.0).contains(&weight)));
                        sums[start..].iter_mut().zip(axis.weights(index)).for_each(|(sum, weight)| *sum += weight);
                    }
                    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5), "{length} {overlap} {name}: {sums:?}");
                }
            }
        }
    }

    #[test]
    fn without_blending_every_pixel_comes_from_one_window() {
        for overlap in [0, 5, 8] {
            let axis = Axis::new(32 + 2 * (32 - overlap), 32, overlap, Blend::None);
            assert_eq!(axis.starts.len(), 3);
            for index in 0..3 {
                let one_or_nothing = |&weight: &f32| [0.0f32, 1.0].contains(&weight);
                assert!(axis.weights(index).iter().all(one_or_nothing), "{overlap}");
            }
        }
    }

    #[test]
    fn rows_are_finished_once_and_in_order() {
        let axis = Axis::new(150, 32, 8, Blend::Cosine);
        let finished: Vec<usize> = (0..axis.starts.len()).flat_map(|index| axis.finished_by(index)).collect();
        assert_eq!(finished, (0..150).collect::<Vec<_>>());
    }
}
