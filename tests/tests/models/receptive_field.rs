//! The effective receptive field against differences of outputs.

use super::shapes::smallest;
use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use burn_rsmamba::{RsmModel, Task, receptive_field::ReceptiveField};
use burn_rsmamba_tests::{compare::values, device};

const SIDE: usize = 96;

fn image(change: Option<(usize, f32)>, device: &Device) -> Tensor<4> {
    let mut data: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| (i * 7 % 97) as f32 / 48.5 - 1.0).collect();
    if let Some((index, by)) = change {
        data[index] += by;
    }
    Tensor::from_data(TensorData::new(data, [1, 3, SIDE, SIDE]), device)
}

/// The sum of the channels of the middle pixel.
fn middle(model: &RsmModel, image: Tensor<4>) -> f32 {
    let [.., deepest] = model.encoder().forward(image);
    values(deepest.narrow(1, 1, 1).narrow(2, 1, 1).sum())[0]
}

#[test]
fn energies_are_squared_slopes_of_the_middle() {
    let device = device();
    let mut config = smallest(Task::Cd);
    config.encoder.drop_path = 0.5;
    let model = config.init_seeded(3, &device.clone().autodiff());
    let field = ReceptiveField::of(model.encoder(), image(None, &device.clone().autodiff()));
    assert_eq!((field.height, field.width, field.energy.len()), (SIDE, SIDE, SIDE * SIDE));

    let plain = config.init_seeded(3, &device);
    for pixel in [48 * SIDE + 48, 40 * SIDE + 50, 60 * SIDE + 41] {
        let slope = |band: usize| {
            let step = 0.02;
            let at = |by: f32| middle(&plain, image(Some((band * SIDE * SIDE + pixel, by)), &device));
            f64::from((at(step) - at(-step)) / (2.0 * step))
        };
        let expected: f64 = (0..3).map(|band| slope(band).powi(2)).sum();
        let actual = field.energy[pixel];
        assert!(
            (actual - expected).abs() <= 0.05 * expected + 1e-8,
            "pixel {pixel}: {actual:e}, by differences {expected:e}"
        );
    }
}

#[test]
fn shares_rise_to_one_around_the_middle() {
    let mut field = ReceptiveField { height: 64, width: 96, energy: vec![0.0; 64 * 96] };
    assert!(field.share_within(1e3).abs() < f64::EPSILON, "nothing has no middle");
    // the patch of 32 pixels in the second row and column of patches begins at 32, 32
    field.energy[48 * 96 + 48] = 3.0;
    field.energy[48 * 96 + 58] = 1.0;
    for (radius, share) in [(0.5, 0.0), (1.0, 0.75), (10.0, 0.75), (11.0, 1.0), (200.0, 1.0)] {
        assert!((field.share_within(radius) - share).abs() < 1e-12, "{radius}");
    }
}
