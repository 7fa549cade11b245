//! CubeCL: the GPU kernels, whatever the runtime.
//!
//! They take contiguous buffers, activations in one of f32, f16 and bf16, and parameters in f32; gradients of parameters
//! go back to the parameters' own dtype. A f64 scan, which only some runtimes have, is composed from Burn's operations.

use crate::scan::{
    composed,
    ops::{
        OmniGradientTensors, OmniTensors, OptionalTensor, ScanGradientTensors, ScanTensors, SelectiveScan,
        SelectiveScanBackward,
    },
};
use burn::{
    backend::{TensorMetadata, cubecl::dtype_to_storage_type},
    tensor::{DType, Shape},
};
use burn_cubecl::{
    CubeBackend,
    cubecl::server::Handle,
    kernel::{cast, into_contiguous},
    tensor::CubeTensor,
};
use burn_rsmamba_kernels::{
    Directions, OmniNeeds, OmniShape, ScanError, ScanNeeds, ScanShape,
    gpu::{self, GpuOmniInputs, GpuScanInputs, ScanStrategy},
};

impl SelectiveScan for CubeBackend {
    fn selective_scan(inputs: ScanTensors<Self>, delta_softplus: bool) -> (CubeTensor, CubeTensor) {
        if inputs.u.dtype() == DType::F64 {
            return composed::selective_scan::<Self>(inputs, delta_softplus);
        }
        let shape = scan_shape(&inputs);
        let like = inputs.u.clone();
        let state = Shape::new([shape.batch, shape.all_channels(), shape.states]);
        let operands = scan_operands(inputs, delta_softplus);
        let result = gpu::selective_scan(&like.client, shape, &operands, ScanStrategy::Auto);
        let (y, last_state) = launched(result, &like);
        let dtype = like.dtype();
        (tensor(&like, y, like.shape(), dtype), tensor(&like, last_state, state, dtype))
    }

    fn omni_selective_scan(inputs: OmniTensors<Self>, directions: Directions, delta_softplus: bool) -> CubeTensor {
        if inputs.u.dtype() == DType::F64 {
            return composed::omni_selective_scan::<Self>(inputs, directions, delta_softplus);
        }
        let shape = omni_shape(&inputs, directions);
        let like = inputs.u.clone();
        let operands = omni_operands(inputs, delta_softplus);
        let result = gpu::omni_selective_scan(&like.client, shape, &operands, ScanStrategy::Auto);
        tensor(&like, launched(result, &like), like.shape(), like.dtype())
    }
}

impl SelectiveScanBackward for CubeBackend {
    fn selective_scan_backward(
        inputs: ScanTensors<Self>,
        dy: CubeTensor,
        delta_softplus: bool,
        needs: ScanNeeds,
    ) -> ScanGradientTensors<Self> {
        if inputs.u.dtype() == DType::F64 {
            return composed::selective_scan_backward::<Self>(inputs, dy, delta_softplus, needs);
        }
        let shape = scan_shape(&inputs);
        let like = inputs.clone();
        let dy = activation(cast(dy, like.u.dtype()));
        let operands = scan_operands(inputs, delta_softplus);
        let result = gpu::selective_scan_backward(&like.u.client, shape, &operands, &dy, needs, ScanStrategy::Auto);
        let gradients = launched(result, &like.u);
        ScanGradientTensors {
            u: like_activation(gradients.u, &like.u),
            delta: like_activation(gradients.delta, &like.delta),
            a: like_parameter(gradients.a, Some(&like.a)),
            b: like_activation(gradients.b, &like.b),
            c: like_activation(gradients.c, &like.c),
            skip: like_parameter(gradients.skip, like.skip.into_option().as_ref()),
            delta_bias: like_parameter(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
        }
    }

    fn omni_selective_scan_backward(
        inputs: OmniTensors<Self>,
        dy: CubeTensor,
        directions: Directions,
        delta_softplus: bool,
        needs: OmniNeeds,
    ) -> OmniGradientTensors<Self> {
        if inputs.u.dtype() == DType::F64 {
            return composed::omni_selective_scan_backward::<Self>(inputs, dy, directions, delta_softplus, needs);
        }
        let shape = omni_shape(&inputs, directions);
        let like = inputs.clone();
        let dy = activation(cast(dy, like.u.dtype()));
        let operands = omni_operands(inputs, delta_softplus);
        let result =
            gpu::omni_selective_scan_backward(&like.u.client, shape, &operands, &dy, needs, ScanStrategy::Auto);
        let gradients = launched(result, &like.u);
        OmniGradientTensors {
            u: like_activation(gradients.u, &like.u),
            projection: like_activation(gradients.projection, &like.projection),
            dt_weight: like_parameter(gradients.dt_weight, Some(&like.dt_weight)),
            a: like_parameter(gradients.a, Some(&like.a)),
            skip: like_parameter(gradients.skip, like.skip.into_option().as_ref()),
            delta_bias: like_parameter(gradients.delta_bias, like.delta_bias.into_option().as_ref()),
        }
    }
}

fn scan_shape(inputs: &ScanTensors<CubeBackend>) -> ScanShape {
    let [batch, groups, states, length] = inputs.b.shape().dims();
    ScanShape { batch, groups, channels: inputs.a.shape()[0] / groups, states, length }
}

fn omni_shape(inputs: &OmniTensors<CubeBackend>, directions: Directions) -> OmniShape {
    let [batch, height, width, channels] = inputs.u.shape().dims();
    let (states, rank) = (inputs.a.shape()[1], inputs.dt_weight.shape()[2]);
    OmniShape { batch, height, width, channels, states, rank, directions }
}

fn scan_operands(inputs: ScanTensors<CubeBackend>, delta_softplus: bool) -> GpuScanInputs {
    GpuScanInputs {
        element: dtype_to_storage_type(inputs.u.dtype()),
        u: activation(inputs.u),
        delta: activation(inputs.delta),
        a: parameter(inputs.a),
        b: activation(inputs.b),
        c: activation(inputs.c),
        skip: inputs.skip.into_option().map(parameter),
        delta_bias: inputs.delta_bias.into_option().map(parameter),
        delta_softplus,
    }
}

fn omni_operands(inputs: OmniTensors<CubeBackend>, delta_softplus: bool) -> GpuOmniInputs {
    GpuOmniInputs {
        element: dtype_to_storage_type(inputs.u.dtype()),
        u: activation(inputs.u),
        projection: activation(inputs.projection),
        dt_weight: parameter(inputs.dt_weight),
        a: parameter(inputs.a),
        skip: inputs.skip.into_option().map(parameter),
        delta_bias: inputs.delta_bias.into_option().map(parameter),
        delta_softplus,
    }
}

/// In memory order: the kernels compute indices from the shape alone, and views (a transposed map, a slice of a projection)
/// and tensors that fusion lays out have other strides. Free when it is so already.
fn activation(tensor: CubeTensor) -> Handle {
    into_contiguous(tensor).handle
}

/// In f32 and in memory order: parameters are small, and one dtype spares a kernel for every mixture.
fn parameter(tensor: CubeTensor) -> Handle {
    // The cast keeps the memory order of its input, so it comes first.
    into_contiguous(cast(tensor, DType::F32)).handle
}

/// The public functions check shapes first: what is left are the limits of the device.
fn launched<T>(result: Result<T, ScanError>, on: &CubeTensor) -> T {
    result.unwrap_or_else(|error| {
        panic!("{error} (device {:?}, {:?}, `u` of shape {:?})", on.device, on.dtype(), on.shape())
    })
}

fn tensor(on: &CubeTensor, handle: Handle, shape: Shape, dtype: DType) -> CubeTensor {
    CubeTensor::new_contiguous(on.client.clone(), on.device.clone(), shape, handle, dtype)
}

fn like_activation(handle: Option<Handle>, like: &CubeTensor) -> OptionalTensor<CubeBackend> {
    OptionalTensor::from(handle.map(|handle| tensor(like, handle, like.shape(), like.dtype())))
}

/// The kernels leave gradients of parameters in f32.
fn like_parameter(handle: Option<Handle>, like: Option<&CubeTensor>) -> OptionalTensor<CubeBackend> {
    let gradient =
        handle.zip(like).map(|(handle, like)| cast(tensor(like, handle, like.shape(), DType::F32), like.dtype()));
    OptionalTensor::from(gradient)
}
