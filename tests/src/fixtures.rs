//! Golden files, committed under `fixtures/`, and what only some machines have.

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use safetensors::SafeTensors;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of `fixtures/golden`.
pub fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(name)
}

/// A JSON file of `fixtures`.
///
/// # Panics
///
/// When it is not there or not JSON.
pub fn fixture_json(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A folder of the real samples beside the project, or `None` and a visible word that the test skips.
///
/// # Panics
///
/// When stderr is closed.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    skip(&format!("../shared/data/{name} is absent"));
    None
}

/// Says what a test does not do, past the test harness, which keeps the output of passing tests to itself.
///
/// # Panics
///
/// When stderr is closed.
pub fn skip(what: &str) {
    std::io::stderr().write_all(format!("skipped: {what}\n").as_bytes()).expect("stderr");
}

/// The Python that `PYTHON` names, else `python3`, where it has rasterio, which brings GDAL as a judge; or `None` and a visible
/// word that GDAL is not asked.
///
/// # Panics
///
/// When stderr is closed.
pub fn python_with_rasterio() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let imported = Command::new(&python).args(["-c", "import rasterio"]).output();
    if imported.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("Python has no rasterio, GDAL is not asked");
    None
}

/// Names of the golden `.safetensors` files that start with `prefix`.
///
/// # Panics
///
/// When the folder cannot be read or no file matches: a test over no file would prove nothing.
pub fn golden_names(prefix: &str) -> Vec<String> {
    let folder = golden_path("");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the golden folder is committed")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(prefix) && name.ends_with(".safetensors"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no golden file starts with {prefix}");
    names
}

/// A golden file: named f32 arrays and JSON metadata.
#[derive(Debug)]
pub struct Golden {
    /// File name, for messages.
    pub name: String,
    arrays: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    metadata: BTreeMap<String, Value>,
}

impl Golden {
    /// Reads a file of `fixtures/golden`.
    ///
    /// # Panics
    ///
    /// When the file is not a float32 `.safetensors`.
    pub fn open(name: &str) -> Self {
        let bytes = std::fs::read(golden_path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let metadata = header.metadata().clone().unwrap_or_default();
        let metadata = metadata
            .into_iter()
            .map(|(key, value)| (key, serde_json::from_str(&value).expect("JSON metadata")))
            .collect();
        let tensors = SafeTensors::deserialize(&bytes).expect("a complete safetensors file");
        let arrays = tensors
            .tensors()
            .into_iter()
            .map(|(key, view)| {
                assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}: {key}");
                let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                (key, (view.shape().to_vec(), values))
            })
            .collect();
        Self { name: name.to_owned(), arrays, metadata }
    }

    /// Whether there is an array of this name.
    pub fn has(&self, key: &str) -> bool {
        self.arrays.contains_key(key)
    }

    /// Names of the arrays.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Shape of an array.
    pub fn shape(&self, key: &str) -> &[usize] {
        &self.array(key).0
    }

    /// Values of an array.
    pub fn values(&self, key: &str) -> &[f32] {
        &self.array(key).1
    }

    /// An array as a tensor.
    pub fn tensor<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let (shape, values) = self.array(key);
        Tensor::from_data(TensorData::new(values.clone(), shape.clone()), device)
    }

    /// An optional array as a tensor.
    pub fn optional<const D: usize>(&self, key: &str, device: &Device) -> Option<Tensor<D>> {
        self.has(key).then(|| self.tensor(key, device))
    }

    /// A metadata value.
    pub fn meta(&self, key: &str) -> &Value {
        self.metadata.get(key).unwrap_or_else(|| panic!("{}: no metadata `{key}`", self.name))
    }

    fn array(&self, key: &str) -> &(Vec<usize>, Vec<f32>) {
        self.arrays.get(key).unwrap_or_else(|| panic!("{}: no array `{key}`", self.name))
    }
}
