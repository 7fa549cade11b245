use burn::tensor::Device;

/// The CPU backend, for tests of what only it has.
pub fn flex() -> Device {
    Device::flex()
}

/// The device under test: a GPU of the kind that this build has, else `LibTorch` or `NdArray`, else Flex.
///
/// On any but Flex every test that calls it says so on stderr once: CI counts those lines. Where the build is for a GPU and
/// the machine has none, the line says that the test was skipped there, and Flex takes its place.
pub fn device() -> Device {
    #[cfg(feature = "gpu")]
    return gpu::device();
    #[cfg(all(not(feature = "gpu"), any(feature = "tch", feature = "ndarray")))]
    return cpu::device();
    #[cfg(not(any(feature = "gpu", feature = "tch", feature = "ndarray")))]
    flex()
}

/// One line a test, past the test harness, which keeps the output of passing tests to itself.
#[cfg(any(feature = "gpu", feature = "tch", feature = "ndarray"))]
fn say_once(line: impl FnOnce(&str) -> String) {
    use std::{cell::Cell, io::Write};
    thread_local! {
        static SAID: Cell<bool> = const { Cell::new(false) };
    }
    if !SAID.replace(true) {
        let thread = std::thread::current();
        std::io::stderr().write_all(line(thread.name().unwrap_or("a test")).as_bytes()).expect("stderr");
    }
}

#[cfg(all(not(feature = "gpu"), any(feature = "tch", feature = "ndarray")))]
mod cpu {
    use burn::tensor::Device;

    /// In a build with both, Burn's default is `LibTorch` unless its `BURN_DEVICE` says `ndarray`.
    #[allow(deprecated, reason = "Burn deprecates both backends")]
    pub(super) fn device() -> Device {
        #[cfg(feature = "tch")]
        let device = Device::default();
        #[cfg(not(feature = "tch"))]
        let device = Device::ndarray();
        super::say_once(|test| format!("on {device:?}: {test}\n"));
        device
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::{Device, DeviceFilter, DeviceType};
    use std::sync::OnceLock;

    static FOUND: OnceLock<Option<Device>> = OnceLock::new();

    fn kinds() -> DeviceFilter {
        let kinds = vec![
            #[cfg(feature = "cuda")]
            DeviceType::Cuda,
            #[cfg(feature = "rocm")]
            DeviceType::Rocm,
            #[cfg(feature = "metal")]
            DeviceType::Metal,
            #[cfg(feature = "vulkan")]
            DeviceType::Vulkan,
            #[cfg(any(feature = "wgpu", feature = "wgpu-unfused"))]
            DeviceType::Wgpu,
        ];
        kinds.into()
    }

    pub(super) fn device() -> Device {
        let found = FOUND.get_or_init(|| Device::enumerate(kinds()).into_vec().into_iter().next());
        super::say_once(|test| match found {
            Some(device) => format!("on {device:?}: {test}\n"),
            None => format!("skipped: no adapter for {:?}, on Flex instead: {test}\n", kinds()),
        });
        found.clone().unwrap_or_else(super::flex)
    }
}
