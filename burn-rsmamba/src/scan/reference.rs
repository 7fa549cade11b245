//! The scan composed from Burn's own operations, over [`Tensor`]: what the fast op means, differentiable by Burn itself.
//!
//! Slow, and its gradients keep every state. Use it to check an implementation, not to train.

use super::{ScanOptions, check, composed};
use burn::{Tensor, backend::Dispatch};
use burn_rsmamba_kernels::Directions;

/// [`selective_scan_with_state`](super::selective_scan_with_state) composed from Burn operations; same shapes, same panics.
#[expect(clippy::too_many_arguments, reason = "Mamba's argument list")]
pub fn selective_scan_with_state(
    u: Tensor<3>,
    delta: Tensor<3>,
    a: Tensor<2>,
    b: Tensor<4>,
    c: Tensor<4>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    options: ScanOptions,
) -> (Tensor<3>, Tensor<3>) {
    let inputs = check::scan("reference::selective_scan", u, delta, a, b, c, skip, delta_bias);
    let (y, state) = composed::selective_scan::<Dispatch>(inputs, options.delta_softplus);
    (Tensor::from_dispatch(y), Tensor::from_dispatch(state))
}

/// [`omni_selective_scan`](super::omni_selective_scan) composed from Burn operations: expand, project, scan, merge.
#[expect(clippy::too_many_arguments, reason = "the op's argument list")]
pub fn omni_selective_scan(
    u: Tensor<4>,
    projection: Tensor<5>,
    dt_weight: Tensor<3>,
    a: Tensor<2>,
    skip: Option<Tensor<1>>,
    delta_bias: Option<Tensor<1>>,
    directions: Directions,
    options: ScanOptions,
) -> Tensor<4> {
    let op = "reference::omni_selective_scan";
    let inputs = check::omni(op, u, projection, dt_weight, a, skip, delta_bias, directions);
    Tensor::from_dispatch(composed::omni_selective_scan::<Dispatch>(inputs, directions, options.delta_softplus))
}

/// The sequences of a map along every direction: `[B, C, H, W]` to `[B, K, C, H * W]`.
pub fn cross_scan(map: Tensor<4>, directions: Directions) -> Tensor<4> {
    Tensor::from_dispatch(composed::cross_scan::<Dispatch>(map.into_dispatch(), directions))
}

/// Every direction's sequence back at its pixels and summed: `[B, K, C, H * W]` to `[B, C, H * W]`.
///
/// # Panics
///
/// When the sequences do not fit the directions or the map.
pub fn cross_merge(sequences: Tensor<4>, directions: Directions, height: usize, width: usize) -> Tensor<3> {
    let [_, k, _, length] = sequences.dims();
    assert!(
        k == directions.count() && length == height * width,
        "cross_merge: `sequences` must be [batch, {}, channels, {}], got {:?}",
        directions.count(),
        height * width,
        sequences.dims()
    );
    let merged = composed::cross_merge::<Dispatch>(sequences.into_dispatch(), directions, height, width);
    Tensor::from_dispatch(merged)
}
