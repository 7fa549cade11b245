//! The eight flips and rotations of an image, for test-time augmentation.

use burn::Tensor;

/// How many there are; number 0 leaves an image as it is.
pub(super) const TURNS: usize = 8;

/// An image `[batch, bands, height, width]`, turned; half of the turns exchange height and width.
pub(super) fn turn(image: Tensor<4>, turn: usize) -> Tensor<4> {
    let image = flip(image, turn);
    if turn & 4 == 0 { image } else { image.swap_dims(2, 3) }
}

/// Undoes [`turn`].
pub(super) fn turn_back(image: Tensor<4>, turn: usize) -> Tensor<4> {
    let image = if turn & 4 == 0 { image } else { image.swap_dims(2, 3) };
    flip(image, turn)
}

fn flip(image: Tensor<4>, turn: usize) -> Tensor<4> {
    match turn & 3 {
        0 => image,
        1 => image.flip([2]),
        2 => image.flip([3]),
        _ => image.flip([2, 3]),
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn turns_differ_and_are_undone() {
        let image = Tensor::<1, Int>::arange(0..6, &Device::flex()).float().reshape([1, 1, 2, 3]);
        let values = |image: Tensor<4>| image.into_data().try_into_vec::<f32>().expect("floats");
        let turned: Vec<_> = (0..TURNS).map(|number| turn(image.clone(), number)).collect();
        for (number, one) in turned.iter().enumerate() {
            let same = |other: &Tensor<4>| other.dims() == one.dims() && values(other.clone()) == values(one.clone());
            assert_eq!(turned.iter().filter(|other| same(other)).count(), 1, "turn {number} is like another");
            assert_eq!(values(turn_back(one.clone(), number)), values(image.clone()), "turn {number}");
        }
    }
}
