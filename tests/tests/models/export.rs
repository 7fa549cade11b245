//! Weights for the official PyTorch code.

use burn::{Tensor, tensor::TensorData};
use burn_rsmamba::{ModelConfig, RsmModel, Task, weights};
use burn_rsmamba_tests::{
    compare::values,
    device,
    fixtures::{golden_path, skip},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::BTreeMap, fs, path::Path, process::Command};
use tempfile::tempdir;

/// Names, types, shapes and bytes of a safetensors file.
fn arrays(path: &Path) -> BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(path).expect("read");
    let tensors = SafeTensors::deserialize(&bytes).expect("complete");
    let array =
        |(name, view): (String, TensorView)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    tensors.tensors().into_iter().map(array).collect()
}

/// A model with the weights of a golden checkpoint, exported.
fn exported(task: Task, to: &Path) -> RsmModel {
    let (model, _) = weights::import(&golden_path(&format!("rsm_{task}_micro.pth")), &device()).expect("official");
    weights::export(&model, to).expect("written");
    model
}

#[test]
fn an_export_has_the_names_and_shapes_of_the_official_state_dict() {
    let folder = tempdir().expect("a folder");
    for task in [Task::Ss, Task::Cd] {
        let path = folder.path().join(format!("{task}.safetensors"));
        exported(task, &path);
        // the pickle of `torch.save` holds every name as text behind its length
        let official = fs::read(golden_path(&format!("rsm_{task}_micro.pth"))).expect("the fixture");
        let arrays = arrays(&path);
        for name in arrays.keys() {
            let text = [&[b'X'][..], &(name.len() as u32).to_le_bytes(), name.as_bytes()].concat();
            assert!(official.windows(text.len()).any(|window| window == text), "{task}: {name}");
        }
        // and the zip one member a tensor, beside data.pkl and five small ones
        let members = official.windows(4).filter(|window| window == b"PK\x01\x02").count();
        assert_eq!(arrays.len(), members - 6, "{task}");
        assert_eq!(arrays["upsample_x4.1.num_batches_tracked"], (Dtype::I64, vec![], vec![0; 8]));
        assert_eq!(arrays["encoder_block1.blocks.0.op.in_proj.weight"].1, [64, 16], "linear weights are [out, in]");
    }
}

#[test]
fn an_export_imports_with_the_same_bits_and_exports_to_the_same_bytes() {
    let folder = tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first.safetensors"), folder.path().join("second.safetensors"));
    for task in [Task::Ss, Task::Cd] {
        let model = exported(task, &first);
        let (again, meta) = weights::import(&first, &device()).expect("imported");
        assert_eq!(meta.config, ModelConfig::preset(task, "micro").expect("a preset"));
        weights::export(&again, &second).expect("written");
        assert!(fs::read(&first).expect("read") == fs::read(&second).expect("read"), "{task}: other bytes");
        let dates = vec![Tensor::<4>::ones([1, 3, 32, 64], &device()); task.dates()];
        assert_eq!(values(again.forward(&dates)), values(model.forward(&dates)));
    }
}

/// PyTorch is the judge, where `PYTHON` has torch and `OFFICIAL` is a clone of the official code.
#[test]
fn pytorch_takes_an_export_and_gives_the_same_logits() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let Ok(clone) = std::env::var("OFFICIAL") else {
        return skip("OFFICIAL names no clone of the official code, PyTorch is not asked");
    };
    let has_torch = Command::new(&python).args(["-c", "import torch, safetensors, timm, einops, numpy"]).output();
    if !has_torch.is_ok_and(|output| output.status.success()) {
        return skip("PYTHON names no Python with torch, safetensors, timm and einops, PyTorch is not asked");
    }
    let folder = tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for task in [Task::Ss, Task::Cd] {
        let model = exported(task, &at("weights.safetensors"));
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let image = || (0..2 * 3 * 64 * 96).map(|_| random.random_range(-2.0..2.0)).collect::<Vec<f32>>();
        let images: Vec<Vec<f32>> = std::iter::repeat_with(image).take(task.dates()).collect();
        let tensor =
            |image: &Vec<f32>| Tensor::<4>::from_data(TensorData::new(image.clone(), [2, 3, 64, 96]), &device());
        let logits = values(model.forward(&images.iter().map(tensor).collect::<Vec<_>>()));
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (images, logits) = (images.iter().map(|image| bytes(image)).collect::<Vec<_>>(), bytes(&logits));
        let mut case = vec![("logits", TensorView::new(Dtype::F32, vec![2, 1, 64, 96], &logits).expect("consistent"))];
        for (name, image) in ["x1", "x2"].into_iter().zip(&images) {
            case.push((name, TensorView::new(Dtype::F32, vec![2, 3, 64, 96], image).expect("consistent")));
        }
        fs::write(at("case.safetensors"), safetensors::serialize(case, None).expect("serialised")).expect("written");

        let encoder = ModelConfig::preset(task, "micro").expect("a preset").encoder;
        let config = serde_json::json!({
            "task": task, "dims": encoder.dims[0], "depths": encoder.depths, "ssm_d_state": encoder.d_state,
            "ssm_ratio": encoder.ssm_ratio, "mlp_ratio": encoder.mlp_ratio,
        });
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/load_with_pytorch.py");
        let output = Command::new(&python)
            .args([&tool, Path::new(&clone), &at("weights.safetensors"), &at("case.safetensors")])
            .arg(config.to_string())
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{task}: {}", String::from_utf8_lossy(&output.stderr));
        println!("{task}: {}", String::from_utf8_lossy(&output.stdout).trim());
        // PyTorch's own checkpoint of the same values comes back bit for bit
        let (again, _) = weights::import(&at("weights.pth"), &device()).expect("imported");
        weights::export(&again, &at("again.safetensors")).expect("written");
        assert!(arrays(&at("again.safetensors")) == arrays(&at("weights.safetensors")), "{task}: other values");
    }
}
