//! Names of devices, and what this build can run on.

use burn::tensor::Device;
use serde::Serialize;

use crate::error::Failure;

/// The device used when none is named.
pub(crate) const DEFAULT: &str = "cpu";

/// One line of `devices`.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    /// The name to pass to `--device`.
    pub(crate) name: &'static str,
    /// What runs there.
    pub(crate) backend: &'static str,
    /// Worker threads, for a CPU.
    pub(crate) threads: usize,
}

/// Every device of this build.
pub(crate) fn available() -> Vec<Entry> {
    vec![Entry {
        name: DEFAULT,
        backend: "flex (pure Rust)",
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    }]
}

/// The device of that name; `flex` is another name of `cpu`.
///
/// # Errors
///
/// A usage error that lists the names of this build.
pub(crate) fn named(name: &str) -> Result<Device, Failure> {
    match name {
        DEFAULT | "flex" => Ok(Device::flex()),
        _ => {
            let names: Vec<&str> = available().iter().map(|entry| entry.name).collect();
            Err(Failure::usage(format!("--device {name}: this build runs on {}; see `devices`", names.join(", "))))
        }
    }
}
