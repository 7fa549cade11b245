//! Initial values by a seed, and snapshots of what a model makes of them: the same on every device.

use burn::{
    Tensor,
    store::ModuleSnapshot,
    tensor::{DType, Device, TensorData},
};
use burn_rsmamba::{
    ModelConfig, RsmModel, Task,
    snapshot::{Snapshot, stored},
};
use burn_rsmamba_tests::{device, flex};
use std::collections::BTreeMap;

fn micro(task: Task, seed: u64, device: &Device) -> RsmModel {
    ModelConfig::preset(task, "micro").expect("a preset").init_seeded(seed, device)
}

/// Every parameter by its path.
fn parameters(model: &RsmModel) -> BTreeMap<String, Vec<f32>> {
    let tensors = model.collect(None, None, true).into_iter();
    let values = |tensor: burn::store::burn_pack::Tensor| {
        let (shape, dtype) = (tensor.shape.iter().copied().collect::<Vec<_>>(), tensor.dtype);
        let bytes = tensor.into_bytes().expect("readable").to_vec();
        TensorData::from_bytes_vec(bytes, shape, dtype).convert_dtype(DType::F32).try_into_vec::<f32>().expect("f32")
    };
    tensors.map(|tensor| (tensor.name.clone(), values(tensor))).collect()
}

#[test]
fn a_seed_gives_the_same_bits_on_every_device() {
    let own = parameters(&micro(Task::Cd, 7, &device()));
    assert!(own == parameters(&micro(Task::Cd, 7, &flex())), "the device does not matter");
    let other = parameters(&micro(Task::Cd, 8, &flex()));
    let equal: Vec<&String> =
        own.iter().filter(|(name, values)| **values == other[*name]).map(|(name, _)| name).collect();
    let constant = |name: &&&String| {
        let parameter = name.rsplit('.').next().expect("a name");
        let fixed = ["gamma", "beta", "ds", "a_logs", "running_mean", "running_var"].contains(&parameter);
        fixed || name.contains(".norm.") || (name.contains(".fc") && parameter == "bias")
    };
    assert_eq!(
        equal.iter().filter(|name| !constant(name)).collect::<Vec<_>>(),
        Vec::<&&String>::new(),
        "another seed, other values"
    );
}

/// The distributions of the official code, and the very numbers, which a platform's own functions would change.
#[test]
fn initial_values_are_distributed_as_in_the_official_code() {
    let parameters = parameters(&micro(Task::Ss, 1, &flex()));
    let named = |end: &str| -> Vec<f32> {
        parameters.iter().filter(|(name, _)| name.ends_with(end)).flat_map(|(_, values)| values.clone()).collect()
    };
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let deviation = |values: &[f32]| mean(&values.iter().map(|value| value * value).collect::<Vec<_>>()).sqrt();
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |max, value| max.max(value.abs()));

    let linear = named("in_proj.weight");
    assert!(mean(&linear).abs() < 2e-4 && (deviation(&linear) - 0.02).abs() < 2e-4);
    // 16 to 128 inputs: uniform in one over the root of twice as many
    let x_proj = named("stages.0.blocks.0.op.x_proj_weight");
    let bound = 32f32.sqrt().recip();
    assert!(largest(&x_proj) <= bound && largest(&x_proj) > 0.99 * bound);
    assert!((deviation(&x_proj) - bound / 3f32.sqrt()).abs() < 0.02 * bound);
    // softplus brings the bias back to a step between 1e-3 and 1e-1, evenly on a logarithmic scale
    let steps: Vec<f32> = named("dt_projs_bias").iter().map(|bias| bias.exp().ln_1p()).collect();
    assert!(steps.iter().all(|step| (0.99e-3..=0.101).contains(step)));
    let below_the_middle = steps.iter().filter(|step| **step < 1e-2).count() as f32 / steps.len() as f32;
    assert!((below_the_middle - 0.5).abs() < 0.05, "{below_the_middle}");
    let conv = named("patch_embed.conv1.weight");
    assert!(largest(&conv) <= 27f32.sqrt().recip() && largest(&conv) > 0.95 * 27f32.sqrt().recip());

    let first = |end: &str| format!("{end}: {:?}\n", &named(end)[..3]);
    let text: String =
        ["in_proj.weight", "x_proj_weight", "dt_projs_bias", "conv1.weight", "a_logs"].map(first).concat();
    insta::assert_snapshot!("first_values", text);
}

/// Smooth, and the same to the bit everywhere: sums of integers.
fn image(date: usize) -> Tensor<4> {
    let (height, width) = (70, 52);
    let value = |band: usize, y: usize, x: usize| ((y * (band + 2) + x * (3 + date)) % 64) as f32 / 32.0 - 1.0;
    let pixels = (0..3).flat_map(|band| (0..height).flat_map(move |y| (0..width).map(move |x| value(band, y, x))));
    Tensor::from_data(TensorData::new(pixels.collect::<Vec<f32>>(), [1, 3, height, width]), &device())
}

#[test]
fn logits_are_those_of_the_snapshot() {
    for task in [Task::Ss, Task::Cd] {
        let images: Vec<_> = (0..task.dates()).map(image).collect();
        let name = format!("seeded_{task}");
        let file = format!("{}/tests/models/snapshots/models__models__seeded__{name}.snap", env!("CARGO_MANIFEST_DIR"));
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let logits = pool.install(|| micro(task, 1, &device()).forward(&images));
            insta::assert_snapshot!(name.clone(), Snapshot::of(logits, 1e-3).settled(stored(&file).as_deref()));
        }
    }
}
