use burn::tensor::Device;

/// The CPU backend, for tests of what only it has.
pub fn flex() -> Device {
    Device::flex()
}

/// The device under test: a GPU of the kind that this build has, Flex in a build without any.
///
/// Every test that calls it says so on stderr once: CI counts those lines. Where the build is for a GPU and the machine has
/// none, the line says that the test was skipped there, and Flex takes its place.
pub fn device() -> Device {
    #[cfg(feature = "gpu")]
    return gpu::device();
    #[cfg(not(feature = "gpu"))]
    flex()
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::{Device, DeviceFilter, DeviceType};
    use std::{cell::Cell, io::Write, sync::OnceLock};

    static FOUND: OnceLock<Option<Device>> = OnceLock::new();

    thread_local! {
        static SAID: Cell<bool> = const { Cell::new(false) };
    }

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
        if !SAID.replace(true) {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            let line = match found {
                Some(device) => format!("on {device:?}: {test}\n"),
                None => format!("skipped: no adapter for {:?}, on Flex instead: {test}\n", kinds()),
            };
            // past the test harness, which keeps the output of passing tests to itself
            std::io::stderr().write_all(line.as_bytes()).expect("stderr");
        }
        found.clone().unwrap_or_else(super::flex)
    }
}
