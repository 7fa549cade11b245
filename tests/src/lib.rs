//! Helpers of the cross-crate tests: fixtures, devices, comparisons.

pub mod compare;
pub mod fixtures;

use burn::{store::ModuleSnapshot, tensor::Device};

/// The device under test.
pub fn device() -> Device {
    Device::flex()
}

/// The device under test with autodiff, without and with gradient checkpointing.
pub fn autodiff_devices() -> [(&'static str, Device); 2] {
    [
        ("autodiff", device().autodiff()),
        ("autodiff with gradient checkpointing", device().autodiff().gradient_checkpointing()),
    ]
}

/// Trainable parameters of a module: Burn's `num_params` counts the running statistics too.
pub fn trainable(module: &impl ModuleSnapshot) -> u64 {
    let tensors = module.collect(None, None, true);
    tensors.iter().filter(|t| !t.name.contains("running_")).map(|t| t.shape.num_elements() as u64).sum()
}
