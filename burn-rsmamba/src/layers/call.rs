//! Calls of layers: which of the backends with native kernels takes one.

use super::COMPOSED;
#[cfg(feature = "flex")]
use super::flex::{self, FlexLayer};
#[cfg(feature = "cubecl-backend")]
use super::gpu::{self, GpuLayer};
use burn::{
    Tensor,
    backend::{DispatchDevice, DispatchTensor},
    tensor::DType,
};

/// Whether native kernels take this map.
pub(crate) fn is_native<const D: usize>(x: &Tensor<D>) -> bool {
    !COMPOSED.get() && x.dtype() == DType::F32 && Native::of(x).is_some()
}

/// Whether native kernels take this map in a layer whose weight is of that dtype: on a GPU products of matrices in half precision are Burn's.
pub(crate) fn takes_native<const D: usize>(x: &Tensor<D>, weight: DType) -> bool {
    is_native(x)
        && match Native::of(x) {
            #[cfg(feature = "flex")]
            Some(Native::Flex) => weight == DType::F32,
            #[cfg(feature = "cubecl-backend")]
            Some(Native::Gpu) => matches!(weight, DType::F32 | DType::F16 | DType::BF16),
            None => false,
        }
}

enum Native {
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "cubecl-backend")]
    Gpu,
}

impl Native {
    fn of<const D: usize>(x: &Tensor<D>) -> Option<Self> {
        match x.device().inner().as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => Some(Self::Flex),
            #[cfg(feature = "cubecl-backend")]
            DispatchDevice::Cube(place) if gpu::are_supported(&place.client()) => Some(Self::Gpu),
            #[allow(unreachable_patterns, reason = "other backends may be linked")]
            _ => None,
        }
    }
}

/// A layer that runs wherever there are native kernels.
#[cfg(all(feature = "flex", feature = "cubecl-backend"))]
pub(super) trait Layer: FlexLayer + GpuLayer + 'static {}
#[cfg(all(feature = "flex", feature = "cubecl-backend"))]
impl<T: FlexLayer + GpuLayer + 'static> Layer for T {}

/// A layer that runs wherever there are native kernels.
#[cfg(all(feature = "flex", not(feature = "cubecl-backend")))]
pub(super) trait Layer: FlexLayer + 'static {}
#[cfg(all(feature = "flex", not(feature = "cubecl-backend")))]
impl<T: FlexLayer + 'static> Layer for T {}

/// A layer that runs wherever there are native kernels.
#[cfg(all(not(feature = "flex"), feature = "cubecl-backend"))]
pub(super) trait Layer: GpuLayer + 'static {}
#[cfg(all(not(feature = "flex"), feature = "cubecl-backend"))]
impl<T: GpuLayer + 'static> Layer for T {}

/// Panics where a map has other channels than a layer's parameters: kernels of a GPU compute places from sizes alone.
pub(super) fn expect_channels(layer: &str, found: usize, expected: usize) {
    assert!(found == expected, "{layer}: the map has {found} channels, the parameters are for {expected}");
}

/// Runs a layer where `x` lives, tracked or not. Absent operands may end the list or stand inside it; every operand must be on the
/// device of `x`, where [`takes_native`] holds, and f32 unless it is a weight or bias.
pub(super) fn run<const X: usize, const D: usize>(
    layer: impl Layer,
    x: &Tensor<X>,
    operands: impl IntoIterator<Item = Option<DispatchTensor>>,
) -> Tensor<D> {
    let operands = operands.into_iter().collect();
    Tensor::from_dispatch(match Native::of(x).expect("`is_native` was asked") {
        #[cfg(feature = "flex")]
        Native::Flex => flex::run(layer, operands),
        #[cfg(feature = "cubecl-backend")]
        Native::Gpu => gpu::run(layer, operands),
    })
}

/// The operand as [`run`] wants it.
#[expect(clippy::unnecessary_wraps, reason = "a list of operands has absent ones too")]
pub(super) fn operand<const D: usize>(tensor: &Tensor<D>) -> Option<DispatchTensor> {
    Some(tensor.clone().into_dispatch())
}

/// Whether this is an f32 tensor of a GPU.
#[cfg(feature = "cubecl-backend")]
pub(crate) fn is_on_gpu<const D: usize>(tensor: &Tensor<D>) -> bool {
    is_native(tensor) && matches!(Native::of(tensor), Some(Native::Gpu))
}
