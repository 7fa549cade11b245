//! Initial values as in the official code.

use burn::{
    Tensor,
    module::{Initializer, Param},
    nn::Linear,
    nn::PaddingConfig2d,
    nn::conv::{Conv2d, Conv2dConfig},
    tensor::{Device, Distribution},
};

/// Linear layer: weights normal with σ 0.02 (timm's `trunc_normal_` cuts at ±2, a hundred σ away), biases 0.
pub(super) fn linear(inputs: usize, outputs: usize, bias: bool, device: &Device) -> Linear {
    Linear {
        weight: Initializer::Normal { mean: 0.0, std: 0.02 }.init([inputs, outputs], device),
        bias: bias.then(|| Initializer::Zeros.init([outputs], device)),
    }
}

/// Square convolution that keeps the size divided by `stride`; Burn's default values are PyTorch's.
pub(crate) fn conv(channels: [usize; 2], kernel: usize, stride: usize, bias: bool, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(kernel / 2, kernel / 2, kernel / 2, kernel / 2))
        .with_bias(bias)
        .init(device)
}

/// Uniform in ±`bound`.
pub(super) fn uniform<const D: usize>(shape: [usize; D], bound: f64, device: &Device) -> Param<Tensor<D>> {
    Initializer::Uniform { min: -bound, max: bound }.init(shape, device)
}

/// Bias of the step: the inverse softplus of `exp(U[ln 1e-3, ln 1e-1])`, floored at 1e-4.
pub(super) fn dt_bias(shape: [usize; 2], device: &Device) -> Param<Tensor<2>> {
    let (low, high) = (1e-3f64.ln(), 1e-1f64.ln());
    let dt = Tensor::<2>::random(shape, Distribution::Uniform(low, high), device).exp().clamp_min(1e-4);
    // softplus⁻¹(x) = x + ln(1 - exp(-x))
    let inverse = dt.clone() + (-(-dt).exp() + 1.0).log();
    Param::from_tensor(inverse)
}

/// `ln(1..=N)` for every channel: S4D-real.
pub(super) fn a_logs(channels: usize, states: usize, device: &Device) -> Param<Tensor<2>> {
    let row: Vec<f32> = (1..=states).map(|n| (n as f32).ln()).collect();
    let rows = Tensor::<1>::from_floats(row.as_slice(), device).reshape([1, states]).repeat_dim(0, channels);
    Param::from_tensor(rows)
}
