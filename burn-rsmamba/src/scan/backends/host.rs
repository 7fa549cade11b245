//! The native CPU kernels, for every backend whose tensors the host can look at.

use crate::scan::ops::{OmniGradientTensors, OmniTensors, OptionalTensor, ScanGradientTensors, ScanTensors};
use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{DType, Element, FloatDType, Shape, TensorData},
};
use burn_rsmamba_kernels::{
    Directions, OmniInputs, OmniNeeds, OmniShape, ScanError, ScanInputs, ScanNeeds, ScanShape, cpu, reference,
};

/// A backend that lets the host look at its tensors.
pub(super) trait HostBackend: Backend {
    /// The tensor in host memory and in memory order; free when it is so already.
    fn on_host(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The elements of a tensor of `T` that [`on_host`](Self::on_host) gave.
    fn slice<T: Compute>(tensor: &FloatTensor<Self>) -> &[T];
}

/// A float that the kernels compute in.
pub(super) trait Compute: Element + bytemuck::Pod {
    const DTYPE: FloatDType;
}

impl Compute for f32 {
    const DTYPE: FloatDType = FloatDType::F32;
}

impl Compute for f64 {
    const DTYPE: FloatDType = FloatDType::F64;
}

/// Implements the scan for a [`HostBackend`].
macro_rules! impl_scan {
    ($backend:ty) => {
        impl $crate::scan::SelectiveScan for $backend {
            fn selective_scan(
                inputs: $crate::scan::ScanTensors<Self>,
                delta_softplus: bool,
            ) -> (burn::backend::tensor::FloatTensor<Self>, burn::backend::tensor::FloatTensor<Self>) {
                $crate::scan::backends::host::selective_scan(inputs, delta_softplus)
            }

            fn omni_selective_scan(
                inputs: $crate::scan::OmniTensors<Self>,
                directions: burn_rsmamba_kernels::Directions,
                delta_softplus: bool,
            ) -> burn::backend::tensor::FloatTensor<Self> {
                $crate::scan::backends::host::omni_selective_scan(inputs, directions, delta_softplus)
            }
        }

        impl $crate::scan::SelectiveScanBackward for $backend {
            fn selective_scan_backward(
                inputs: $crate::scan::ScanTensors<Self>,
                dy: burn::backend::tensor::FloatTensor<Self>,
                delta_softplus: bool,
                needs: burn_rsmamba_kernels::ScanNeeds,
            ) -> $crate::scan::ScanGradientTensors<Self> {
                $crate::scan::backends::host::selective_scan_backward(inputs, dy, delta_softplus, needs)
            }

            fn omni_selective_scan_backward(
                inputs: $crate::scan::OmniTensors<Self>,
                dy: burn::backend::tensor::FloatTensor<Self>,
                directions: burn_rsmamba_kernels::Directions,
                delta_softplus: bool,
                needs: burn_rsmamba_kernels::OmniNeeds,
            ) -> $crate::scan::OmniGradientTensors<Self> {
                $crate::scan::backends::host::omni_selective_scan_backward(
                    inputs,
                    dy,
                    directions,
                    delta_softplus,
                    needs,
                )
            }
        }
    };
}
pub(super) use impl_scan;

/// Runs `$body` with `$float` as the type that the kernels compute in, and `$kernels` as where they are for it.
macro_rules! computing {
    ($dtype:expr, |$float:ident, $kernels:ident| $body:expr) => {
        if $dtype == DType::F64 {
            type $float = f64;
            use reference as $kernels;
            $body
        } else {
            type $float = f32;
            use cpu as $kernels;
            $body
        }
    };
}

pub(super) fn selective_scan<B: HostBackend>(
    inputs: ScanTensors<B>,
    delta_softplus: bool,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let shape = scan_shape(&inputs);
    let like = inputs.u.clone();
    let state = Shape::new([shape.batch, shape.all_channels(), shape.states]);
    computing!(like.dtype(), |Float, kernels| {
        let inputs = scan_operands::<B, Float>(inputs);
        let (y, last) = checked(kernels::selective_scan(shape, &scan_inputs::<B, Float>(&inputs, delta_softplus)));
        (tensor::<B, _>(y, like.shape(), &like), tensor::<B, _>(last, state, &like))
    })
}

pub(super) fn omni_selective_scan<B: HostBackend>(
    inputs: OmniTensors<B>,
    directions: Directions,
    delta_softplus: bool,
) -> FloatTensor<B> {
    let shape = omni_shape(&inputs, directions);
    let like = inputs.u.clone();
    computing!(like.dtype(), |Float, kernels| {
        let inputs = omni_operands::<B, Float>(inputs);
        let y = checked(kernels::omni_selective_scan(shape, &omni_inputs::<B, Float>(&inputs, delta_softplus)));
        tensor::<B, _>(y, like.shape(), &like)
    })
}

pub(super) fn selective_scan_backward<B: HostBackend>(
    inputs: ScanTensors<B>,
    dy: FloatTensor<B>,
    delta_softplus: bool,
    needs: ScanNeeds,
) -> ScanGradientTensors<B> {
    let shape = scan_shape(&inputs);
    let like = inputs.clone();
    computing!(like.u.dtype(), |Float, kernels| {
        let (inputs, dy) = (scan_operands::<B, Float>(inputs), operand::<B, Float>(dy));
        let inputs = scan_inputs::<B, Float>(&inputs, delta_softplus);
        let gradients = checked(kernels::selective_scan_backward(shape, &inputs, B::slice(&dy), needs));
        ScanGradientTensors {
            u: optional(gradients.u, Some(&like.u)),
            delta: optional(gradients.delta, Some(&like.delta)),
            a: optional(gradients.a, Some(&like.a)),
            b: optional(gradients.b, Some(&like.b)),
            c: optional(gradients.c, Some(&like.c)),
            skip: optional(gradients.skip, like.skip.into_option().as_ref()),
            delta_bias: optional(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
        }
    })
}

pub(super) fn omni_selective_scan_backward<B: HostBackend>(
    inputs: OmniTensors<B>,
    dy: FloatTensor<B>,
    directions: Directions,
    delta_softplus: bool,
    needs: OmniNeeds,
) -> OmniGradientTensors<B> {
    let shape = omni_shape(&inputs, directions);
    let like = inputs.clone();
    computing!(like.u.dtype(), |Float, kernels| {
        let (inputs, dy) = (omni_operands::<B, Float>(inputs), operand::<B, Float>(dy));
        let inputs = omni_inputs::<B, Float>(&inputs, delta_softplus);
        let gradients = checked(kernels::omni_selective_scan_backward(shape, &inputs, B::slice(&dy), needs));
        OmniGradientTensors {
            u: optional(gradients.u, Some(&like.u)),
            projection: optional(gradients.projection, Some(&like.projection)),
            dt_weight: optional(gradients.dt_weight, Some(&like.dt_weight)),
            a: optional(gradients.a, Some(&like.a)),
            skip: optional(gradients.skip, like.skip.into_option().as_ref()),
            delta_bias: optional(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
        }
    })
}

fn scan_shape<B: Backend>(inputs: &ScanTensors<B>) -> ScanShape {
    let [batch, groups, states, length] = inputs.b.shape().dims();
    ScanShape { batch, groups, channels: inputs.a.shape()[0] / groups, states, length }
}

fn omni_shape<B: Backend>(inputs: &OmniTensors<B>, directions: Directions) -> OmniShape {
    let [batch, height, width, channels] = inputs.u.shape().dims();
    let (states, rank) = (inputs.a.shape()[1], inputs.dt_weight.shape()[2]);
    OmniShape { batch, height, width, channels, states, rank, directions }
}

/// The public functions check shapes first, so a mismatch here is a bug of this crate.
fn checked<T>(result: Result<T, ScanError>) -> T {
    result.unwrap_or_else(|error| panic!("the scan on the host: {error}"))
}

/// The tensor in `T`, in host memory and in memory order; free when it is so already.
fn operand<B: HostBackend, T: Compute>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    let tensor = B::on_host(tensor);
    // a cast may keep the memory order of a view
    if tensor.dtype() == DType::from(T::DTYPE) { tensor } else { B::on_host(B::float_cast(tensor, T::DTYPE)) }
}

fn optional_operand<B: HostBackend, T: Compute>(tensor: OptionalTensor<B>) -> OptionalTensor<B> {
    OptionalTensor::from(tensor.into_option().map(operand::<B, T>))
}

fn present<B: HostBackend, T: Compute>(tensor: &OptionalTensor<B>) -> Option<&[T]> {
    match tensor {
        OptionalTensor::Absent => None,
        OptionalTensor::Present(tensor) => Some(B::slice(tensor)),
    }
}

fn scan_operands<B: HostBackend, T: Compute>(inputs: ScanTensors<B>) -> ScanTensors<B> {
    ScanTensors {
        u: operand::<B, T>(inputs.u),
        delta: operand::<B, T>(inputs.delta),
        a: operand::<B, T>(inputs.a),
        b: operand::<B, T>(inputs.b),
        c: operand::<B, T>(inputs.c),
        skip: optional_operand::<B, T>(inputs.skip),
        delta_bias: optional_operand::<B, T>(inputs.delta_bias),
    }
}

fn scan_inputs<B: HostBackend, T: Compute>(operands: &ScanTensors<B>, delta_softplus: bool) -> ScanInputs<'_, T> {
    ScanInputs {
        u: B::slice(&operands.u),
        delta: B::slice(&operands.delta),
        a: B::slice(&operands.a),
        b: B::slice(&operands.b),
        c: B::slice(&operands.c),
        skip: present(&operands.skip),
        delta_bias: present(&operands.delta_bias),
        delta_softplus,
    }
}

fn omni_operands<B: HostBackend, T: Compute>(inputs: OmniTensors<B>) -> OmniTensors<B> {
    OmniTensors {
        u: operand::<B, T>(inputs.u),
        projection: operand::<B, T>(inputs.projection),
        dt_weight: operand::<B, T>(inputs.dt_weight),
        a: operand::<B, T>(inputs.a),
        skip: optional_operand::<B, T>(inputs.skip),
        delta_bias: optional_operand::<B, T>(inputs.delta_bias),
    }
}

fn omni_inputs<B: HostBackend, T: Compute>(operands: &OmniTensors<B>, delta_softplus: bool) -> OmniInputs<'_, T> {
    OmniInputs {
        u: B::slice(&operands.u),
        projection: B::slice(&operands.projection),
        dt_weight: B::slice(&operands.dt_weight),
        a: B::slice(&operands.a),
        skip: present(&operands.skip),
        delta_bias: present(&operands.delta_bias),
        delta_softplus,
    }
}

/// A result in the dtype and on the device of the input that it belongs to.
fn tensor<B: Backend, T: Compute>(values: Vec<T>, shape: Shape, like: &FloatTensor<B>) -> FloatTensor<B> {
    let dtype = like.dtype();
    let tensor = B::float_from_data(TensorData::new(values, shape), &like.device());
    if dtype == tensor.dtype() { tensor } else { B::float_cast(tensor, FloatDType::from(dtype)) }
}

fn optional<B: Backend, T: Compute>(values: Option<Vec<T>>, like: Option<&FloatTensor<B>>) -> OptionalTensor<B> {
    OptionalTensor::from(values.zip(like).map(|(values, like)| tensor::<B, T>(values, like.shape(), like)))
}
