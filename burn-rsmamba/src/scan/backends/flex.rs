//! Flex: the native CPU kernels on the tensors' own memory.

use crate::scan::ops::{
    OmniGradientTensors, OmniTensors, OptionalTensor, ScanGradientTensors, ScanTensors, SelectiveScan,
    SelectiveScanBackward,
};
use burn::{
    backend::{Flex, TensorMetadata, ops::FloatTensorOps},
    tensor::{Bytes, DType, Element, FloatDType, Shape},
};
use burn_flex::{FlexTensor, Layout};
use burn_rsmamba_kernels::{
    Directions, OmniInputs, OmniNeeds, OmniShape, ScanError, ScanInputs, ScanNeeds, ScanShape, cpu, reference,
};

impl SelectiveScan for Flex {
    fn selective_scan(inputs: ScanTensors<Self>, delta_softplus: bool) -> (FlexTensor, FlexTensor) {
        let shape = scan_shape(&inputs);
        let dtype = inputs.u.dtype();
        let sequence = inputs.u.shape();
        let state = Shape::new([shape.batch, shape.all_channels(), shape.states]);
        if dtype == DType::F64 {
            let operands = ScanOperands::<f64>::new(inputs, delta_softplus);
            let (y, last) = checked(reference::selective_scan(shape, &operands.view()));
            (tensor(y, sequence, dtype), tensor(last, state, dtype))
        } else {
            let operands = ScanOperands::<f32>::new(inputs, delta_softplus);
            let (y, last) = checked(cpu::selective_scan(shape, &operands.view()));
            (tensor(y, sequence, dtype), tensor(last, state, dtype))
        }
    }

    fn omni_selective_scan(inputs: OmniTensors<Self>, directions: Directions, delta_softplus: bool) -> FlexTensor {
        let shape = omni_shape(&inputs, directions);
        let (dtype, map) = (inputs.u.dtype(), inputs.u.shape());
        if dtype == DType::F64 {
            let operands = OmniOperands::<f64>::new(inputs, delta_softplus);
            tensor(checked(reference::omni_selective_scan(shape, &operands.view())), map, dtype)
        } else {
            let operands = OmniOperands::<f32>::new(inputs, delta_softplus);
            tensor(checked(cpu::omni_selective_scan(shape, &operands.view())), map, dtype)
        }
    }
}

impl SelectiveScanBackward for Flex {
    fn selective_scan_backward(
        inputs: ScanTensors<Self>,
        dy: FlexTensor,
        delta_softplus: bool,
        needs: ScanNeeds,
    ) -> ScanGradientTensors<Self> {
        macro_rules! run {
            ($float:ty, $kernel:path) => {{
                let like = inputs.clone();
                let shape = scan_shape(&inputs);
                let dy = contiguous::<$float>(dy);
                let operands = ScanOperands::<$float>::new(inputs, delta_softplus);
                let gradients = checked($kernel(shape, &operands.view(), slice(&dy), needs));
                ScanGradientTensors {
                    u: optional(gradients.u, Some(&like.u)),
                    delta: optional(gradients.delta, Some(&like.delta)),
                    a: optional(gradients.a, Some(&like.a)),
                    b: optional(gradients.b, Some(&like.b)),
                    c: optional(gradients.c, Some(&like.c)),
                    skip: optional(gradients.skip, like.skip.into_option().as_ref()),
                    delta_bias: optional(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
                }
            }};
        }
        if inputs.u.dtype() == DType::F64 {
            run!(f64, reference::selective_scan_backward)
        } else {
            run!(f32, cpu::selective_scan_backward)
        }
    }

    fn omni_selective_scan_backward(
        inputs: OmniTensors<Self>,
        dy: FlexTensor,
        directions: Directions,
        delta_softplus: bool,
        needs: OmniNeeds,
    ) -> OmniGradientTensors<Self> {
        macro_rules! run {
            ($float:ty, $kernel:path) => {{
                let like = inputs.clone();
                let shape = omni_shape(&inputs, directions);
                let dy = contiguous::<$float>(dy);
                let operands = OmniOperands::<$float>::new(inputs, delta_softplus);
                let gradients = checked($kernel(shape, &operands.view(), slice(&dy), needs));
                OmniGradientTensors {
                    u: optional(gradients.u, Some(&like.u)),
                    projection: optional(gradients.projection, Some(&like.projection)),
                    dt_weight: optional(gradients.dt_weight, Some(&like.dt_weight)),
                    a: optional(gradients.a, Some(&like.a)),
                    skip: optional(gradients.skip, like.skip.into_option().as_ref()),
                    delta_bias: optional(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
                }
            }};
        }
        if inputs.u.dtype() == DType::F64 {
            run!(f64, reference::omni_selective_scan_backward)
        } else {
            run!(f32, cpu::omni_selective_scan_backward)
        }
    }
}

fn scan_shape(inputs: &ScanTensors<Flex>) -> ScanShape {
    let [batch, groups, states, length] = inputs.b.shape().dims();
    ScanShape { batch, groups, channels: inputs.a.shape()[0] / groups, states, length }
}

fn omni_shape(inputs: &OmniTensors<Flex>, directions: Directions) -> OmniShape {
    let [batch, height, width, channels] = inputs.u.shape().dims();
    let (states, rank) = (inputs.a.shape()[1], inputs.dt_weight.shape()[2]);
    OmniShape { batch, height, width, channels, states, rank, directions }
}

/// The public functions check shapes first, so a mismatch here is a bug of this crate.
fn checked<T>(result: Result<T, ScanError>) -> T {
    result.unwrap_or_else(|error| panic!("Flex: {error}"))
}

/// A float that the kernels compute in.
trait Compute: Element + bytemuck::Pod {
    const DTYPE: FloatDType;
}

impl Compute for f32 {
    const DTYPE: FloatDType = FloatDType::F32;
}

impl Compute for f64 {
    const DTYPE: FloatDType = FloatDType::F64;
}

/// The tensor in `T` and in memory order; free when it is so already.
fn contiguous<T: Compute>(tensor: FlexTensor) -> FlexTensor {
    let tensor = if tensor.dtype() == DType::from(T::DTYPE) { tensor } else { Flex::float_cast(tensor, T::DTYPE) };
    tensor.to_contiguous()
}

fn slice<T: Compute>(tensor: &FlexTensor) -> &[T] {
    tensor.as_slice().expect("made contiguous in this type")
}

/// A result in the dtype of the input that it belongs to.
fn tensor<T: Compute>(values: Vec<T>, shape: Shape, dtype: DType) -> FlexTensor {
    let tensor = FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::from(T::DTYPE));
    if dtype == tensor.dtype() { tensor } else { Flex::float_cast(tensor, FloatDType::from(dtype)) }
}

fn optional<T: Compute>(values: Option<Vec<T>>, like: Option<&FlexTensor>) -> OptionalTensor<Flex> {
    let like = like.map(|like| (like.shape(), like.dtype()));
    OptionalTensor::from(values.zip(like).map(|(values, (shape, dtype))| tensor(values, shape, dtype)))
}

/// Plain operands in memory order.
struct ScanOperands<T> {
    tensors: ScanTensors<Flex>,
    delta_softplus: bool,
    float: std::marker::PhantomData<T>,
}

impl<T: Compute> ScanOperands<T> {
    fn new(inputs: ScanTensors<Flex>, delta_softplus: bool) -> Self {
        let tensors = ScanTensors {
            u: contiguous::<T>(inputs.u),
            delta: contiguous::<T>(inputs.delta),
            a: contiguous::<T>(inputs.a),
            b: contiguous::<T>(inputs.b),
            c: contiguous::<T>(inputs.c),
            skip: OptionalTensor::from(inputs.skip.into_option().map(contiguous::<T>)),
            delta_bias: OptionalTensor::from(inputs.delta_bias.into_option().map(contiguous::<T>)),
        };
        Self { tensors, delta_softplus, float: std::marker::PhantomData }
    }

    fn view(&self) -> ScanInputs<'_, T> {
        let ScanTensors { u, delta, a, b, c, skip, delta_bias } = &self.tensors;
        ScanInputs {
            u: slice(u),
            delta: slice(delta),
            a: slice(a),
            b: slice(b),
            c: slice(c),
            skip: present(skip),
            delta_bias: present(delta_bias),
            delta_softplus: self.delta_softplus,
        }
    }
}

/// Omnidirectional operands in memory order.
struct OmniOperands<T> {
    tensors: OmniTensors<Flex>,
    delta_softplus: bool,
    float: std::marker::PhantomData<T>,
}

impl<T: Compute> OmniOperands<T> {
    fn new(inputs: OmniTensors<Flex>, delta_softplus: bool) -> Self {
        let tensors = OmniTensors {
            u: contiguous::<T>(inputs.u),
            projection: contiguous::<T>(inputs.projection),
            dt_weight: contiguous::<T>(inputs.dt_weight),
            a: contiguous::<T>(inputs.a),
            skip: OptionalTensor::from(inputs.skip.into_option().map(contiguous::<T>)),
            delta_bias: OptionalTensor::from(inputs.delta_bias.into_option().map(contiguous::<T>)),
        };
        Self { tensors, delta_softplus, float: std::marker::PhantomData }
    }

    fn view(&self) -> OmniInputs<'_, T> {
        let OmniTensors { u, projection, dt_weight, a, skip, delta_bias } = &self.tensors;
        OmniInputs {
            u: slice(u),
            projection: slice(projection),
            dt_weight: slice(dt_weight),
            a: slice(a),
            skip: present(skip),
            delta_bias: present(delta_bias),
            delta_softplus: self.delta_softplus,
        }
    }
}

fn present<T: Compute>(tensor: &OptionalTensor<Flex>) -> Option<&[T]> {
    match tensor {
        OptionalTensor::Absent => None,
        OptionalTensor::Present(tensor) => Some(slice(tensor)),
    }
}
