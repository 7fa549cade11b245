//! Helpers of the cross-crate tests: fixtures, devices, comparisons.

pub mod allocator;
pub mod compare;
mod device;
pub mod fixtures;

pub use device::{device, flex};

use burn::{store::ModuleSnapshot, tensor::Device};

/// The device under test with autodiff, without and with gradient checkpointing.
pub fn autodiff_devices() -> [(&'static str, Device); 2] {
    autodiff(&device())
}

/// A device with autodiff, without and with gradient checkpointing.
pub fn autodiff(device: &Device) -> [(&'static str, Device); 2] {
    [
        ("autodiff", device.clone().autodiff()),
        ("autodiff with gradient checkpointing", device.clone().autodiff().gradient_checkpointing()),
    ]
}

/// Trainable parameters of a module: Burn's `num_params` counts the running statistics too.
pub fn trainable(module: &impl ModuleSnapshot) -> u64 {
    let tensors = module.collect(None, None, true);
    tensors.iter().filter(|t| !t.name.contains("running_")).map(|t| t.shape.num_elements() as u64).sum()
}
