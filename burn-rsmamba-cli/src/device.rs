//! Names of devices, and what this build can run on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

#[cfg(any(feature = "gpu", feature = "tch"))]
use burn::tensor::DeviceType;
use burn::tensor::{Device, Tensor};
use burn_rsmamba::Precision;
use serde::Serialize;

use crate::error::Failure;

/// The device used when none is named.
pub(crate) const DEFAULT: &str = "cpu";

/// One line of `devices`.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    /// The name to pass to `--device`.
    pub(crate) name: String,
    /// What runs there.
    pub(crate) backend: &'static str,
    /// Worker threads, for a CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<usize>,
    /// What the device calls itself, for a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) adapter: Option<String>,
    /// Why it cannot be used, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// A kind of device beside [`DEFAULT`]: its name, the feature that brings it, and how to find such devices where it is in
/// this build.
struct Kind {
    name: &'static str,
    feature: &'static str,
    backend: &'static str,
    /// One device, the host's processor: it needs no number.
    cpu: bool,
    find: Option<fn() -> Vec<Device>>,
}

macro_rules! kind {
    ($name:tt, $feature:tt, $backend:tt, cpu: $cpu:tt, $find:expr) => {
        Kind {
            name: $name,
            feature: $feature,
            backend: $backend,
            cpu: $cpu,
            #[cfg(feature = $feature)]
            #[allow(deprecated, reason = "Burn deprecates LibTorch and ndarray")]
            find: Some(|| $find),
            #[cfg(not(feature = $feature))]
            find: None,
        }
    };
}

macro_rules! gpu {
    ($name:tt, $kind:ident) => {
        kind!($name, $name, "cubecl", cpu: false, Device::enumerate(DeviceType::$kind).into_vec())
    };
}

const KINDS: [Kind; 9] = [
    gpu!("cuda", Cuda),
    gpu!("rocm", Rocm),
    gpu!("metal", Metal),
    gpu!("vulkan", Vulkan),
    gpu!("webgpu", WebGpu),
    gpu!("wgpu", Wgpu),
    kind!("libtorch", "tch", "libtorch", cpu: true, vec![Device::libtorch()]),
    // Burn lists LibTorch's CUDA devices under its name.
    kind!("libtorch-cuda", "tch", "libtorch", cpu: false, Device::enumerate(DeviceType::LibTorch).into_vec()),
    kind!("ndarray", "ndarray", "ndarray (pure Rust)", cpu: true, vec![Device::ndarray()]),
];

/// Every device that this build can run on and this machine has.
pub(crate) fn available() -> Vec<Entry> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = Entry {
        name: DEFAULT.to_owned(),
        backend: "flex (pure Rust)",
        threads: Some(threads),
        adapter: None,
        error: None,
    };
    let mut entries = vec![cpu];
    for kind in &KINDS {
        let Some(find) = kind.find else { continue };
        for (index, device) in guarded(find).unwrap_or_default().iter().enumerate() {
            let (adapter, error) = match probe(device) {
                Ok(adapter) => (adapter, None),
                Err(error) => (None, Some(error)),
            };
            let name = if kind.cpu { kind.name.to_owned() } else { format!("{}:{index}", kind.name) };
            let threads = kind.cpu.then_some(threads);
            entries.push(Entry { name, backend: kind.backend, threads, adapter, error });
        }
    }
    entries
}

/// The device of that name: `cpu`, or another as its kind or `KIND:INDEX`.
///
/// Any but `cpu` has computed something when this returns, so that a driver that is only half there is found out before any work.
///
/// # Errors
///
/// A usage error for a name that this build does not know or a device that this machine does not have.
pub(crate) fn named(name: &str) -> Result<Device, Failure> {
    if name == DEFAULT {
        return Ok(Device::flex());
    }
    let refuse = |why: String| Failure::usage(format!("--device {name}: {why}"));
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    if kind == DEFAULT {
        return Err(refuse(format!("there is one {DEFAULT}, which has no number; write {DEFAULT}")));
    }
    let compiled = KINDS.iter().filter(|kind| kind.find.is_some()).map(|kind| kind.name);
    let here = std::iter::once(DEFAULT).chain(compiled).collect::<Vec<_>>().join(", ");
    let Some(Kind { feature, find, .. }) = KINDS.iter().find(|candidate| candidate.name == kind) else {
        return Err(refuse(format!("this build runs on {here}; see `devices`")));
    };
    let Some(find) = *find else {
        return Err(refuse(format!("this build runs on {here}; for {kind} build it with `--features {feature}`")));
    };
    let Ok(index) = index.parse::<usize>() else {
        return Err(refuse(format!("`{index}` is no number of a device; write {kind} or {kind}:0")));
    };
    let devices = guarded(find).map_err(&refuse)?;
    let Some(device) = devices.get(index) else {
        return Err(refuse(match devices.len() {
            0 => format!("no {kind} device and driver on this machine; see `devices`"),
            count => format!("this machine has {count} {kind} device(s), counted from 0; see `devices`"),
        }));
    };
    probe(device).map_err(|error| refuse(format!("it does not work: {error}")))?;
    Ok(device.clone())
}

/// Refuses a precision that the device of that name does not compute in.
///
/// # Errors
///
/// A usage error.
pub(crate) fn expect_precision(device: &Device, name: &str, precision: Precision) -> Result<(), Failure> {
    if precision.is_supported(device) {
        return Ok(());
    }
    Err(Failure::usage(format!("--precision {precision}: {name} does not compute in it; leave it at f32")))
}

/// Computes a little on the device; what it calls itself.
fn probe(device: &Device) -> Result<Option<String>, String> {
    let (sum, adapter) = guarded(|| {
        let sum: f32 = (Tensor::<1>::ones([8], device) * 2.0).sum().into_scalar();
        (sum, adapter(device))
    })?;
    if (sum - 16.0).abs() < 1e-3 { Ok(adapter) } else { Err(format!("eight times two gave {sum}")) }
}

#[cfg(feature = "gpu")]
fn adapter(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(feature = "gpu"))]
fn adapter(_: &Device) -> Option<String> {
    None
}

/// Runs what may panic inside a driver, also on a thread of the driver's own; gives the first panic's words, not its trace.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let message = Arc::new(Mutex::new(None));
    let seen = message.clone();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("a driver panicked");
        seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(text.to_owned());
    }));
    let result = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    result.map_err(|_| {
        let message = message.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        message.unwrap_or_else(|| "a driver panicked".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_words() {
        assert_eq!(guarded(|| 3), Ok(3));
        assert_eq!(guarded(|| panic!("no such driver: {}", 7)), Err::<(), _>("no such driver: 7".to_owned()));
        assert_eq!(probe(&Device::flex()), Ok(None));
    }

    #[test]
    fn names_that_are_not_here_say_what_is() {
        let refuse = |name: &str| named(name).expect_err("refused").to_string();
        let text = refuse("tpu");
        assert!(text.starts_with("--device tpu: this build runs on cpu") && text.ends_with("see `devices`"), "{text}");
        for kind in &KINDS {
            if kind.find.is_none() {
                let text = refuse(kind.name);
                assert!(text.ends_with(&format!("build it with `--features {}`", kind.feature)), "{text}");
            } else {
                let text = refuse(&format!("{}:x", kind.name));
                assert!(text.contains("`x` is no number"), "{text}");
                let text = refuse(&format!("{}:99", kind.name));
                assert!(text.contains("on this machine") || text.contains("this machine has"), "{text}");
            }
        }
    }
}
