//! Checks of the public functions: every mistake is listed in one panic, with the op's and the argument's name.

use super::ops::{OmniTensors, OptionalTensor, ScanTensors};
use burn::{
    Tensor,
    backend::Dispatch,
    tensor::{DType, Device, FloatDType},
};
use burn_rsmamba_kernels::Directions;

/// Whether the scan can run on this device in this dtype; the op refuses what it cannot.
///
/// f32 everywhere, and f64, f16 and bf16 where the device computes in them; f64 never on Vulkan, Metal or WebGPU, whose
/// shaders have no exponential in f64.
pub fn supports_dtype(device: &Device, dtype: FloatDType) -> bool {
    device.supports_dtype(dtype) && !(dtype == FloatDType::F64 && is_shader(device))
}

#[cfg(feature = "cubecl-backend")]
fn is_shader(device: &Device) -> bool {
    use burn::backend::DispatchDevice;
    use burn_cubecl::cubecl::RuntimeId;
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => matches!(device.runtime(), RuntimeId::Wgpu | RuntimeId::Metal),
        #[allow(unreachable_patterns, reason = "the only one in a build without Flex")]
        _ => false,
    }
}

#[cfg(not(feature = "cubecl-backend"))]
fn is_shader(_: &Device) -> bool {
    false
}

/// Collects what is wrong with the arguments of one call.
struct Checks {
    op: &'static str,
    device: Device,
    dtype: DType,
    mistakes: Vec<String>,
}

impl Checks {
    fn new<const D: usize>(op: &'static str, u: &Tensor<D>) -> Self {
        let mut checks = Self { op, device: u.device(), dtype: u.dtype(), mistakes: Vec::new() };
        if u.dims().contains(&0) {
            checks.mistakes.push(format!("`u` must not be empty, got {:?}", u.dims()));
        }
        // There the kernels would give garbage, not an error.
        if checks.dtype != DType::F32 && !supports_dtype(&checks.device, FloatDType::from(checks.dtype)) {
            checks.mistakes.push(format!("`u` is {:?}, which {:?} cannot compute in", checks.dtype, checks.device));
        }
        checks
    }

    /// `argument` must have these sizes, `u`'s device, and `u`'s dtype (or f32 where `parameter`).
    fn tensor<const D: usize>(
        &mut self,
        argument: &str,
        layout: &str,
        expected: [usize; D],
        parameter: bool,
        tensor: &Tensor<D>,
    ) {
        if tensor.dims() != expected {
            self.mistakes.push(format!("`{argument}` must be {layout} = {expected:?}, got {:?}", tensor.dims()));
        }
        if tensor.device() != self.device {
            self.mistakes.push(format!(
                "`{argument}` must be on {:?} like `u`, got {:?}",
                self.device,
                tensor.device()
            ));
        }
        let dtype = tensor.dtype();
        if dtype != self.dtype && !(parameter && dtype == DType::F32 && self.dtype != DType::F64) {
            self.mistakes.push(format!("`{argument}` must be {:?} like `u`, got {dtype:?}", self.dtype));
        }
    }

    fn finish(self) {
        assert!(self.mistakes.is_empty(), "{}: {}", self.op, self.mistakes.join("; "));
    }
}

fn optional(tensor: Option<Tensor<1>>) -> OptionalTensor<Dispatch> {
    OptionalTensor::from(tensor.map(Tensor::into_dispatch))
}

#[expect(clippy::too_many_arguments, reason = "Mamba's argument list")]
pub(super) fn scan(
    op: &'static str,
    u: Tensor<3>,
    delta: Tensor<3>,
    a: Tensor<2>,
    b: Tensor<4>,
    c: Tensor<4>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
) -> ScanTensors<Dispatch> {
    let [batch, channels, length] = u.dims();
    let groups = b.dims()[1];
    let states = a.dims()[1];
    let mut checks = Checks::new(op, &u);
    if groups == 0 || channels % groups != 0 {
        checks.mistakes.push(format!("`u` has {channels} channels, not a multiple of the {groups} groups of `b`"));
    }
    if states == 0 {
        checks.mistakes.push(format!("`a` must have at least one state, got {:?}", a.dims()));
    }
    checks.tensor("delta", "[B, G * D, L]", [batch, channels, length], false, &delta);
    checks.tensor("a", "[G * D, N]", [channels, states], true, &a);
    checks.tensor("b", "[B, G, N, L]", [batch, groups, states, length], false, &b);
    checks.tensor("c", "[B, G, N, L]", [batch, groups, states, length], false, &c);
    for (argument, tensor) in [("skip", &skip), ("delta_bias", &delta_bias)] {
        if let Some(tensor) = tensor {
            checks.tensor(argument, "[G * D]", [channels], true, tensor);
        }
    }
    checks.finish();
    ScanTensors {
        u: u.into_dispatch(),
        delta: delta.into_dispatch(),
        a: a.into_dispatch(),
        b: b.into_dispatch(),
        c: c.into_dispatch(),
        skip: optional(skip),
        delta_bias: optional(delta_bias),
    }
}

#[expect(clippy::too_many_arguments, reason = "the op's argument list")]
pub(super) fn omni(
    op: &'static str,
    u: Tensor<4>,
    projection: Tensor<5>,
    dt_weight: Tensor<3>,
    a: Tensor<2>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    directions: Directions,
) -> OmniTensors<Dispatch> {
    let [batch, height, width, channels] = u.dims();
    let k = directions.count();
    let (rank, states) = (dt_weight.dims()[2], a.dims()[1]);
    let mut checks = Checks::new(op, &u);
    if states == 0 || rank == 0 {
        checks.mistakes.push(format!("at least one state and rank one are needed, got N = {states}, R = {rank}"));
    }
    let row = [batch, height, width, k, rank + 2 * states];
    checks.tensor("projection", "[B, H, W, K, R + 2 N]", row, false, &projection);
    checks.tensor("dt_weight", "[K, D, R]", [k, channels, rank], true, &dt_weight);
    checks.tensor("a", "[K * D, N]", [k * channels, states], true, &a);
    for (argument, tensor) in [("skip", &skip), ("delta_bias", &delta_bias)] {
        if let Some(tensor) = tensor {
            checks.tensor(argument, "[K * D]", [k * channels], true, tensor);
        }
    }
    checks.finish();
    OmniTensors {
        u: u.into_dispatch(),
        projection: projection.into_dispatch(),
        dt_weight: dt_weight.into_dispatch(),
        a: a.into_dispatch(),
        skip: optional(skip),
        delta_bias: optional(delta_bias),
    }
}
