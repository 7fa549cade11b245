//! What a project that uses the models can keep in its CI: the output of a model as a text with a tolerance.

use burn::tensor::{Device, Tensor, TensorData};
use burn_rsmamba::{
    ModelConfig, Task,
    snapshot::{Snapshot, stored},
};

/// Sides and values that are the same on every machine.
fn image() -> Tensor<4> {
    let value = |band: usize, y: usize, x: usize| ((y * (band + 1) + x * 3) % 32) as f32 / 16.0 - 1.0;
    let pixels = (0..3).flat_map(|band| (0..40).flat_map(move |y| (0..48).map(move |x| value(band, y, x))));
    Tensor::from_data(TensorData::new(pixels.collect::<Vec<f32>>(), [1, 3, 40, 48]), &Device::flex())
}

#[test]
fn logits_have_not_moved() {
    // weights that depend on the seed alone; a real project loads its own with `burn_rsmamba::weights::load`
    let model = ModelConfig::preset(Task::Ss, "micro").unwrap().init_seeded(1, &Device::flex());
    let logits = model.forward(&[image()]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/outputs__logits.snap");
    insta::assert_snapshot!("logits", Snapshot::of(logits, 1e-3).settled(stored(file).as_deref()));
}
