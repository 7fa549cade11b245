//! Fusion: what the ops return, known before they run. Burn's macro writes the rest.

#![allow(clippy::trivially_copy_pass_by_ref, reason = "the macro passes every argument by reference")]

use crate::scan::ops::{
    OmniGradientTensorsMetadata, OmniTensorsMetadata, OptionalTensorMetadata, ScanGradientTensorsMetadata,
    ScanTensorsMetadata,
};
use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};
use burn_rsmamba_kernels::{Directions, OmniNeeds, ScanNeeds};

/// `y` like `u`, and the last state `[B, G * D, N]` in its dtype.
pub(in crate::scan) fn selective_scan(
    inputs: &ScanTensorsMetadata,
    _delta_softplus: &bool,
) -> (TensorSpec, TensorSpec) {
    let state = Shape::new([inputs.u.shape[0], inputs.a.shape[0], inputs.a.shape[1]]);
    (inputs.u.clone(), TensorSpec::new(state, inputs.u.dtype))
}

/// `y` like `u`.
pub(in crate::scan) fn omni_selective_scan(
    inputs: &OmniTensorsMetadata,
    _directions: &Directions,
    _delta_softplus: &bool,
) -> TensorSpec {
    inputs.u.clone()
}

/// Every wanted gradient like its input.
pub(in crate::scan) fn selective_scan_backward(
    inputs: &ScanTensorsMetadata,
    _dy: &TensorSpec,
    _delta_softplus: &bool,
    needs: &ScanNeeds,
) -> ScanGradientTensorsMetadata {
    ScanGradientTensorsMetadata {
        u: wanted(needs.u, &inputs.u),
        delta: wanted(needs.delta, &inputs.delta),
        a: wanted(needs.a, &inputs.a),
        b: wanted(needs.b, &inputs.b),
        c: wanted(needs.c, &inputs.c),
        skip: wanted_optional(needs.skip, &inputs.skip),
        delta_bias: wanted_optional(needs.delta_bias, &inputs.delta_bias),
    }
}

/// Every wanted gradient like its input.
pub(in crate::scan) fn omni_selective_scan_backward(
    inputs: &OmniTensorsMetadata,
    _dy: &TensorSpec,
    _directions: &Directions,
    _delta_softplus: &bool,
    needs: &OmniNeeds,
) -> OmniGradientTensorsMetadata {
    OmniGradientTensorsMetadata {
        u: wanted(needs.u, &inputs.u),
        projection: wanted(needs.projection, &inputs.projection),
        dt_weight: wanted(needs.dt_weight, &inputs.dt_weight),
        a: wanted(needs.a, &inputs.a),
        skip: wanted_optional(needs.skip, &inputs.skip),
        delta_bias: wanted_optional(needs.delta_bias, &inputs.delta_bias),
    }
}

fn wanted(is: bool, like: &TensorSpec) -> OptionalTensorMetadata {
    if is { OptionalTensorMetadata::Present(like.clone()) } else { OptionalTensorMetadata::Absent }
}

/// An input that is not there has no gradient.
fn wanted_optional(is: bool, like: &OptionalTensorMetadata) -> OptionalTensorMetadata {
    if is { like.clone() } else { OptionalTensorMetadata::Absent }
}
