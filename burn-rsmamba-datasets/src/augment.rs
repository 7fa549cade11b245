//! Random variants of a training sample.

use rand::{Rng, RngExt};

use crate::{Sample, Window};

/// Mirrors and transposes a sample, images and label alike, and, where `swap`, exchanges its two dates; each with probability one half.
///
/// All eight orientations of a square are equally likely. A sample that is not square is never transposed. The swap
/// leaves the label alone: what changed from one date to the other also changed the other way. That is not so of classes such as
/// "built" and "demolished".
pub fn augment(sample: &mut Sample, swap: bool, rng: &mut impl Rng) {
    // Every draw is made whatever the sample, so that the stream of numbers does not depend on its kind.
    let [left_right, upside_down, transpose, swapped] = std::array::from_fn(|_| rng.random_bool(0.5));
    if left_right {
        Turn::LeftRight.apply(sample);
    }
    if upside_down {
        Turn::UpsideDown.apply(sample);
    }
    if transpose && sample.width == sample.height {
        Turn::Transpose.apply(sample);
    }
    if swap && swapped {
        sample.images.reverse();
    }
}

/// Changes the light of a sample, of each date by itself: brightness and contrast, and the brightness of each band.
///
/// With a `strength` of 0.2, brightness moves by up to 0.2 of the range 0..1 and contrast, about the mean of the date,
/// changes by up to a fifth; each band moves by up to half as much again. Values may leave 0..1.
pub fn jitter(sample: &mut Sample, strength: f32, rng: &mut impl Rng) {
    let area = sample.height * sample.width;
    let mut draw = |most: f32| most * (2.0 * rng.random::<f32>() - 1.0);
    for image in &mut sample.images {
        let (brightness, contrast) = (draw(strength), 1.0 + draw(strength));
        let finite = image.iter().filter(|value| value.is_finite());
        let (sum, count) = finite.fold((0.0_f64, 0_u32), |(sum, count), &value| (sum + f64::from(value), count + 1));
        let mean = (sum / f64::from(count.max(1))) as f32;
        for plane in image.chunks_exact_mut(area) {
            let offset = mean + brightness + draw(0.5 * strength);
            for value in plane {
                *value = (*value - mean) * contrast + offset;
            }
        }
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
