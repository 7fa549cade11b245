//! Official names and layouts against the modules' own.

use super::{
    WeightsError,
    archive::Archive,
    error::Mismatch,
    safetensors::Array,
    transfer::{Plan, fit_bands},
};
use crate::models::{RsmModel, Task};
use burn::{
    store::{ModuleSnapshot, burn_pack},
    tensor::{Bytes, DType, TensorData},
};
use safetensors::Dtype;
use std::collections::BTreeMap;

/// Where a module's tensor stands in an official state dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficialTensor {
    /// Its key.
    pub name: String,
    /// Whether the layouts differ: PyTorch keeps linear weights as `[out, in]`, Burn as `[in, out]`.
    pub transposed: bool,
}

impl OfficialTensor {
    fn shape(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if self.transposed {
            shape.reverse();
        }
        shape
    }

    /// From either layout to the other; `from` is the shape of `values`.
    fn relayout(&self, values: Vec<f32>, from: &[usize]) -> Vec<f32> {
        match from {
            &[rows, columns] if self.transposed => {
                (0..rows * columns).map(|i| values[(i % rows) * columns + i / rows]).collect()
            }
            _ => values,
        }
    }
}

/// The official place of the tensor at a module path such as `encoder.stages.2.blocks.0.op.in_proj.weight` (the paths of
/// Burn's `ModuleSnapshot::collect` without enum variants); `None` for a path that the models do not have.
pub fn official_tensor(path: &str, task: Task) -> Option<OfficialTensor> {
    let segments: Vec<&str> = path.split('.').collect();
    // lists count from 0 here, from 1 there
    let number = |index: &str| index.parse::<usize>().map_or(0, |index| index + 1);
    let (prefix, rest) = match &segments[..] {
        ["encoder", "patch_embed", layer, rest @ ..] => {
            let index = match *layer {
                "conv1" => 0,
                "norm1" => 2,
                "conv2" => 5,
                _ => 7,
            };
            (format!("patch_embed.{index}"), rest)
        }
        ["encoder", "stages", stage, "downsample", layer, rest @ ..] => {
            let index = if *layer == "conv" { 1 } else { 3 };
            (format!("encoder_block{}.downsample.{index}", number(stage)), rest)
        }
        ["encoder", "stages", stage, rest @ ..] => (format!("encoder_block{}", number(stage)), rest),
        ["fuse", level, layer, rest @ ..] => {
            (format!("fuse_block{}.fuse.{}", number(level), conv_or_norm(layer)), rest)
        }
        // sic: the official code spells it so
        ["decoder", "levels", level, layer, rest @ ..] => {
            (format!("deocder_block{}.fuse.{}", number(level), conv_or_norm(layer)), rest)
        }
        ["head", "reduce", layer, rest @ ..] => (format!("upsample_x4.{}", conv_or_norm(layer)), rest),
        ["head", "refine", layer, rest @ ..] => (format!("upsample_x4.{}", 4 + conv_or_norm(layer)), rest),
        ["head", "classify", rest @ ..] => (classifier(task).to_owned(), rest),
        _ => return None,
    };
    let rest: Vec<&str> = rest
        .iter()
        .map(|segment| match *segment {
            "gamma" => "weight",
            "beta" => "bias",
            "a_logs" => "A_logs",
            "ds" => "Ds",
            other => other,
        })
        .collect();
    let transposed = matches!(rest[..], [.., "in_proj" | "out_proj" | "fc1" | "fc2", "weight"]);
    Some(OfficialTensor { name: format!("{prefix}.{}", rest.join(".")), transposed })
}

fn official(path: &str, task: Task) -> OfficialTensor {
    official_tensor(path, task).unwrap_or_else(|| panic!("tensor {path} has no official name"))
}

fn conv_or_norm(layer: &str) -> usize {
    usize::from(layer != "conv")
}

/// Name of the last convolution, which tells the tasks apart.
pub(super) fn classifier(task: Task) -> &'static str {
    match task {
        Task::Ss => "conv_out_seg",
        Task::Cd => "conv_out_change",
    }
}

/// The task that a file's entries are for.
pub(super) fn task(archive: &Archive) -> Option<Task> {
    [Task::Ss, Task::Cd].into_iter().find(|task| archive.entries.contains_key(&format!("{}.weight", classifier(*task))))
}

/// All tensors of a model under official names.
pub(super) fn arrays(model: &RsmModel) -> BTreeMap<String, Array> {
    model
        .collect(None, None, true)
        .into_iter()
        .map(|tensor| {
            let official = official(&tensor.name, model.task());
            let shape: Vec<usize> = tensor.shape.iter().copied().collect();
            let dtype = tensor.dtype;
            let bytes = tensor.into_bytes().expect("a model's tensors can be read");
            let values = TensorData::from_bytes_vec(bytes.to_vec(), shape.clone(), dtype)
                .convert_dtype(DType::F32)
                .try_into_vec::<f32>()
                .expect("converted to f32");
            let values = official.relayout(values, &shape);
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            (official.name.clone(), Array { dtype: Dtype::F32, shape: official.shape(&shape), bytes })
        })
        .collect()
}

/// The number of batches that each batch norm of a PyTorch model has seen, which `load_state_dict(strict=True)` asks for and
/// nothing here uses: none.
pub(super) fn batch_counters(arrays: &BTreeMap<String, Array>) -> Vec<(String, Array)> {
    arrays
        .keys()
        .filter_map(|name| name.strip_suffix("running_var"))
        .map(|norm| {
            let counter = Array { dtype: Dtype::I64, shape: Vec::new(), bytes: 0_i64.to_le_bytes().to_vec() };
            (format!("{norm}num_batches_tracked"), counter)
        })
        .collect()
}

/// Shapes of all tensors of a model under official names.
pub(super) fn shapes(model: &RsmModel) -> BTreeMap<String, Vec<usize>> {
    let tensors = model.collect(None, None, true).into_iter();
    tensors
        .map(|tensor| {
            let official = official(&tensor.name, model.task());
            let shape: Vec<usize> = tensor.shape.iter().copied().collect();
            (official.name.clone(), official.shape(&shape))
        })
        .collect()
}

/// Puts every entry of a file into the model, or says which do not fit.
pub(super) fn apply(archive: &Archive, model: RsmModel) -> Result<RsmModel, WeightsError> {
    if let Some(found) = task(archive).filter(|found| *found != model.task()) {
        return Err(WeightsError::OtherTask { path: archive.path.clone(), expected: model.task(), found });
    }
    apply_as(archive, model, &Plan::default())
}

/// Puts the entries of a file into the model as the plan says, or says which do not fit.
pub(super) fn apply_as(archive: &Archive, mut model: RsmModel, plan: &Plan) -> Result<RsmModel, WeightsError> {
    let mut mismatch = Mismatch::default();
    let mut unused: Vec<&String> = archive.entries.keys().filter(|name| !plan.left.contains(*name)).collect();
    let mut needed = Vec::new();
    for own in model.collect(None, None, true) {
        let official = official(&own.name, model.task());
        if plan.initial.contains(&official.name) {
            continue;
        }
        unused.retain(|name| **name != official.name);
        let Some(entry) = archive.entries.get(&official.name) else {
            mismatch.missing.push(official.name);
            continue;
        };
        let shape: Vec<usize> = own.shape.iter().copied().collect();
        let is_fitted = plan.fitted == Some(official.name.as_str());
        if entry.shape != official.shape(&shape) && !is_fitted {
            mismatch.misshapen.push((official.name.clone(), official.shape(&shape), entry.shape.clone()));
            continue;
        }
        needed.push((own.name, shape, official, entry, is_fitted));
    }
    mismatch.unknown = unused.into_iter().cloned().collect();
    if !mismatch.is_empty() {
        return Err(WeightsError::Mismatch { path: archive.path.clone(), mismatch });
    }
    // only now, when all of it is known to fit
    let mut tensors = Vec::new();
    for (name, shape, official, entry, is_fitted) in needed {
        let values = archive.read_entry(&official.name, entry)?;
        let values =
            if is_fitted { fit_bands(&values, &entry.shape, &shape) } else { official.relayout(values, &entry.shape) };
        tensors.push(burn_pack::Tensor::new(name, DType::F32, shape, None, Bytes::from_elems(values)));
    }
    let result = model.apply(tensors, None, None, true);
    assert!(
        result.errors.is_empty() && result.missing.len() == plan.initial.len() && result.unused.is_empty(),
        "names and shapes were checked, yet: {result}"
    );
    Ok(model)
}
