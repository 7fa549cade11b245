//! Files in and out, and every way in which one can be wrong.

use burn::Tensor;
use burn_rsmamba::{
    Directions, ModelConfig, ModelMeta, Task,
    inference::{Blend, Windows},
    weights::{self, WeightsError},
};
use burn_rsmamba_tests::{compare::values, device, fixtures::golden_path};
use safetensors::{SafeTensors, tensor::TensorView};
use std::{collections::BTreeMap, fs, path::Path};
use tempfile::tempdir;

type Entries = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

/// Our file of a micro model, as raw entries and metadata.
fn entries(task: Task) -> (Entries, std::collections::HashMap<String, String>) {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let config = ModelConfig::preset(task, "micro").expect("a preset");
    let model = config.init(&device());
    weights::save(&model, &ModelMeta::new(config, "test"), &path).expect("written");
    let bytes = fs::read(&path).expect("read");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let tensors = SafeTensors::deserialize(&bytes).expect("complete");
    let entries = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec())))
        .collect();
    (entries, header.metadata().clone().expect("metadata"))
}

fn write(path: &Path, entries: &Entries, metadata: Option<std::collections::HashMap<String, String>>) {
    let views = entries.iter().map(|(name, (shape, bytes))| {
        (name, TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).expect("consistent"))
    });
    fs::write(path, safetensors::serialize(views, metadata).expect("serialised")).expect("written");
}

/// The error of loading our micro file after a change to its entries.
fn error_after(task: Task, change: impl FnOnce(&mut Entries)) -> WeightsError {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("changed.safetensors");
    let (mut entries, metadata) = entries(task);
    change(&mut entries);
    write(&path, &entries, Some(metadata));
    weights::load(&path, &device()).expect_err("refused")
}

fn one_line(error: &WeightsError, file: &str) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(file), "{text}");
    text
}

#[test]
fn a_saved_model_comes_back_with_its_description_and_every_value() {
    let folder = tempdir().expect("a folder");
    for task in [Task::Ss, Task::Cd] {
        for directions in [Directions::Eight, Directions::Two] {
            let mut config = ModelConfig::preset(task, "nano").expect("a preset");
            config.encoder.directions = directions;
            config.encoder.bands = 4;
            let model = config.init(&device());
            let mut meta = ModelMeta::new(config, "made by a test");
            meta.threshold = 0.25;
            let path = folder.path().join("model.safetensors");
            weights::save(&model, &meta, &path).expect("written");
            let (loaded, read) = weights::load(&path, &device()).expect("read");
            assert_eq!(read, meta);
            let dates = vec![Tensor::<4>::ones([1, 4, 32, 64], &device()); task.dates()];
            assert_eq!(values(loaded.forward(&dates)), values(model.forward(&dates)));
            assert!(!folder.path().join("model.safetensors.partial").exists(), "nothing is left beside");
        }
    }
}

#[test]
fn our_file_has_the_official_names_and_imports_like_an_official_one() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("official.safetensors");
    let (model, _) = weights::import(&golden_path("rsm_ss_micro.pth"), &device()).expect("official");
    let (entries, _) = entries(Task::Ss);
    for name in [
        "patch_embed.0.weight",
        "encoder_block4.downsample.3.bias",
        "encoder_block1.blocks.0.op.A_logs",
        "deocder_block1.fuse.1.running_var",
        "upsample_x4.5.running_mean",
        "conv_out_seg.bias",
    ] {
        assert!(entries.contains_key(name), "{name}");
    }
    weights::save(&model, &ModelMeta::new(ModelConfig::preset(Task::Ss, "micro").expect("a preset"), "x"), &path)
        .expect("written");
    let (again, meta) = weights::import(&path, &device()).expect("imported");
    let image = [Tensor::<4>::ones([1, 3, 32, 32], &device())];
    assert_eq!(values(again.forward(&image)), values(model.forward(&image)));
    assert!(meta.provenance.starts_with("imported from official.safetensors by burn-rsmamba "), "{}", meta.provenance);
}

#[test]
fn prefixes_and_counters_of_pytorch_are_ignored() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("parallel.safetensors");
    let (entries, _) = entries(Task::Cd);
    let mut prefixed: Entries = entries.into_iter().map(|(name, entry)| (format!("module.{name}"), entry)).collect();
    prefixed.insert("module.upsample_x4.1.num_batches_tracked".to_owned(), (vec![1], vec![0; 4]));
    write(&path, &prefixed, None);
    let (_, meta) = weights::import(&path, &device()).expect("imported");
    assert_eq!(meta.config, ModelConfig::preset(Task::Cd, "micro").expect("a preset"));
}

#[test]
fn a_training_checkpoint_with_the_state_dict_under_net_is_read() {
    // made by hand: {"net": state dict of a model of width 2, "optimizer": {...}, "epoch": 7}
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rsm_ss_net.pth");
    let (model, meta) = weights::import(&path, &device()).expect("imported");
    assert_eq!(meta.config.encoder.dims, [2, 4, 8, 16]);
    assert_eq!(meta.config.encoder.directions, Directions::One);
    let logits = values(model.forward(&[Tensor::<4>::ones([1, 3, 32, 32], &device())]));
    assert!(logits.iter().all(|value| value.is_finite()));
}

#[test]
fn unknown_missing_and_misshapen_entries_are_listed_together() {
    let error = error_after(Task::Ss, |entries| {
        entries.remove("conv_out_seg.bias");
        let ds = entries.remove("encoder_block1.blocks.0.op.Ds").expect("there");
        entries.insert("encoder_block1.blocks.0.op.D".to_owned(), ds);
        entries.insert("patch_embed.2.weight".to_owned(), (vec![4], vec![0; 16]));
    });
    let text = one_line(&error, "changed.safetensors");
    assert!(
        text.ends_with(
            "does not fit the model: 1 misshapen: patch_embed.2.weight (model [8], file [4]); \
             2 missing: encoder_block1.blocks.0.op.Ds, conv_out_seg.bias; \
             1 unknown: encoder_block1.blocks.0.op.D"
        ),
        "{text}"
    );
}

#[test]
fn a_nan_is_refused_with_its_entry() {
    let error = error_after(Task::Ss, |entries| {
        let bytes = &mut entries.get_mut("conv_out_seg.bias").expect("there").1;
        bytes.copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(matches!(&error, WeightsError::NotFinite { name, .. } if name == "conv_out_seg.bias"));
    one_line(&error, "changed.safetensors");
}

#[test]
fn a_checkpoint_of_the_other_task_or_other_widths_is_refused() {
    let micro = |task| ModelConfig::preset(task, "micro").expect("a preset");
    let error =
        weights::load_into(micro(Task::Cd).init(&device()), &golden_path("rsm_ss_micro.pth")).expect_err("task");
    assert!(
        one_line(&error, "rsm_ss_micro.pth").ends_with("is a checkpoint for task ss, not cd; load it as what it is"),
        "{error}"
    );
    let nano = ModelConfig::preset(Task::Ss, "nano").expect("a preset").init(&device());
    let error = weights::load_into(nano, &golden_path("rsm_ss_micro.pth")).expect_err("widths");
    let text = one_line(&error, "rsm_ss_micro.pth");
    assert!(text.contains("misshapen: patch_embed.0.weight (model [12, 3, 3, 3], file [8, 3, 3, 3])"), "{text}");
}

#[test]
fn files_that_are_no_weights_are_refused() {
    let folder = tempdir().expect("a folder");
    let refuse = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        for error in [
            weights::load(&path, &device()).expect_err("refused"),
            weights::import(&path, &device()).expect_err("refused"),
        ] {
            one_line(&error, name);
        }
    };
    refuse("empty.safetensors", b"");
    refuse("text.safetensors", b"this is a text file, not weights");
    refuse("huge.safetensors", &[0xff; 64]);
    refuse("text.pth", b"PK but no archive");
    refuse("pickle.pth", &[0x80, 0x02, b'}', b'.']);
    let official = fs::read(golden_path("rsm_ss_micro.pth")).expect("the fixture");
    refuse("cut.pth", &official[..official.len() / 2]);
    let (entries, metadata) = entries(Task::Ss);
    let path = folder.path().join("whole.safetensors");
    write(&path, &entries, Some(metadata));
    let whole = fs::read(&path).expect("read");
    refuse("cut.safetensors", &whole[..whole.len() - 100]);

    let error = weights::load(&folder.path().join("absent.safetensors"), &device()).expect_err("absent");
    assert!(matches!(error, WeightsError::Read { .. }));
    one_line(&error, "absent.safetensors");
    let error = weights::load(&golden_path("rsm_ss_micro.pth"), &device()).expect_err("not ours");
    assert!(one_line(&error, "rsm_ss_micro.pth").contains("bring an official checkpoint in with `import` first"));
}

#[test]
fn a_description_that_cannot_be_is_refused() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let (entries, mut metadata) = entries(Task::Ss);
    let description = metadata["burn-rsmamba"].clone();
    for (from, to, expected) in [
        ("\"classes\":1", "\"classes\":0", "`classes` must lie between"),
        ("\"d_state\":4", "\"d_state\":99999999999", "`d_state` must lie between"),
        ("\"directions\":8", "\"directions\":3", "8, 4, 2 or 1"),
        ("\"threshold\":0.5", "\"threshold\":7.0", "threshold 7 is no probability"),
        ("{", "", "damaged"),
    ] {
        metadata.insert("burn-rsmamba".to_owned(), description.replacen(from, to, 1));
        write(&path, &entries, Some(metadata.clone()));
        let error = weights::load(&path, &device()).expect_err(expected);
        let text = one_line(&error, "model.safetensors");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_description_of_the_first_version_loads() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let (entries, mut metadata) = entries(Task::Ss);
    // as it was written then: do not change it
    let description = r#"{"config":{"task":"ss","classes":1,"encoder":{"bands":3,"dims":[16,32,64,128],"depths":[1,1,2,1],
        "d_state":4,"ssm_ratio":2.0,"mlp_ratio":2.0,"drop_path":0.1,"directions":8}},"normalisation":{"mean":[0.485,0.456,0.406],
        "std":[0.229,0.224,0.225]},"threshold":0.5,"crop":256,"provenance":"test"}"#;
    metadata.insert("burn-rsmamba".to_owned(), description.to_owned());
    write(&path, &entries, Some(metadata));
    let (_, meta) = weights::load(&path, &device()).expect("loaded");
    let micro = ModelConfig::preset(Task::Ss, "micro").expect("a preset");
    // windows came later
    assert_eq!(meta, ModelMeta { windows: None, ..ModelMeta::new(micro, "test") });
}

#[test]
fn an_unwritable_place_is_an_error_that_leaves_nothing() {
    let folder = tempdir().expect("a folder");
    let config = ModelConfig::preset(Task::Ss, "micro").expect("a preset");
    let path = folder.path().join("no/such/folder/model.safetensors");
    let error = weights::save(&config.init(&device()), &ModelMeta::new(config, "test"), &path).expect_err("no folder");
    assert!(matches!(error, WeightsError::Write { .. }));
    one_line(&error, "model.safetensors");
}

#[test]
fn a_file_without_windows_has_those_of_its_crops_and_one_with_windows_keeps_them() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let (entries, mut metadata) = entries(Task::Ss);
    let (name, description) = metadata.iter_mut().next().expect("one entry");
    assert_eq!(name, "burn-rsmamba");
    let mut description_now: serde_json::Value = serde_json::from_str(description).expect("JSON");
    description_now["crop"] = 192.into();
    description_now["windows"] = serde_json::json!({ "size": 640, "overlap": 100, "blend": "linear" });
    let read = |description: &serde_json::Value| {
        let metadata = std::collections::HashMap::from([("burn-rsmamba".to_owned(), description.to_string())]);
        write(&path, &entries, Some(metadata));
        weights::load(&path, &device())
    };
    let windows = read(&description_now).expect("read").1.windows();
    assert_eq!(windows, Windows { size: Some(640), overlap: 100, blend: Blend::Linear });

    description_now["windows"]["overlap"] = 640.into();
    let error = read(&description_now).expect_err("a window that does not move on");
    assert!(error.to_string().contains("640"), "{error}");

    description_now.as_object_mut().expect("an object").remove("windows");
    let windows = read(&description_now).expect("an older file").1.windows();
    assert_eq!(windows, Windows { size: Some(192), overlap: 48, blend: Blend::Cosine });
}
