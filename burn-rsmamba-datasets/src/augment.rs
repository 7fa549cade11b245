//! Random variants of a training sample.

use rand::{Rng, RngExt};

use crate::{Sample, Window};

/// Mirrors and transposes a sample, images and label alike, and swaps its two dates; each with probability one half.
///
/// All eight orientations of a square are equally likely. A sample that is not square is never transposed. The swap
/// leaves the label alone: what changed from one date to the other also changed the other way.
pub fn augment(sample: &mut Sample, rng: &mut impl Rng) {
    // Every draw is made whatever the sample, so that the stream of numbers does not depend on its kind.
    let [left_right, upside_down, transpose, swap] = std::array::from_fn(|_| rng.random_bool(0.5));
    if left_right {
        Turn::LeftRight.apply(sample);
    }
    if upside_down {
        Turn::UpsideDown.apply(sample);
    }
    if transpose && sample.width == sample.height {
        Turn::Transpose.apply(sample);
    }
    if swap {
        sample.images.reverse();
    }
}

#[derive(Clone, Copy)]
enum Turn {
    LeftRight,
    UpsideDown,
    /// Of a square only.
    Transpose,
}

impl Turn {
    fn apply(self, sample: &mut Sample) {
        let (height, width) = (sample.height, sample.width);
        for image in &mut sample.images {
            image.chunks_exact_mut(height * width).for_each(|plane| self.reorder(plane, width));
        }
        self.reorder(&mut sample.label, width);
        let Window { top, left, bottom, right } = sample.counted;
        sample.counted = match self {
            Self::LeftRight => Window { left: width - right, right: width - left, ..sample.counted },
            Self::UpsideDown => Window { top: height - bottom, bottom: height - top, ..sample.counted },
            Self::Transpose => Window { top: left, left: top, bottom: right, right: bottom },
        };
    }

    fn reorder<T>(self, plane: &mut [T], width: usize) {
        match self {
            Self::LeftRight => plane.chunks_exact_mut(width).for_each(<[T]>::reverse),
            Self::UpsideDown => {
                plane.reverse();
                plane.chunks_exact_mut(width).for_each(<[T]>::reverse);
            }
            Self::Transpose => {
                for row in 1..width {
                    for column in 0..row {
                        plane.swap(row * width + column, column * width + row);
                    }
                }
            }
        }
    }
}
