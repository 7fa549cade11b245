//! The scan composed from Burn's own operations, generic over the backend.
//!
//! A loop over the sequence in Burn operations: slow, and written for reading. Letters: B batch, G groups, D channels of a
//! group, N states, L length, H and W map, K directions, R rank.

mod omni;
mod orders;
mod plain;

pub(super) use omni::omni_selective_scan;
pub use omni::omni_selective_scan_backward;
pub(super) use orders::{cross_merge, cross_scan};
pub(super) use plain::selective_scan;
pub use plain::selective_scan_backward;

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{FloatDType, Scalar, Shape, Slice},
};

/// `ln(1 + exp(x))`, linear above 20 as in PyTorch.
fn softplus<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let threshold = Scalar::from(20.0);
    let soft = B::float_log1p(B::float_exp(B::float_clamp_max(x.clone(), threshold)));
    B::float_add(soft, B::relu(B::float_sub_scalar(x, threshold)))
}

/// Part `from..from + len` of one dimension.
fn narrow<B: Backend>(tensor: FloatTensor<B>, dim: usize, from: usize, len: usize) -> FloatTensor<B> {
    let slices: Vec<Slice> = tensor
        .shape()
        .iter()
        .enumerate()
        .map(|(index, &size)| if index == dim { Slice::from(from..from + len) } else { Slice::from(0..size) })
        .collect();
    B::float_slice(tensor, &slices)
}

/// Sum over one dimension, which goes.
fn sum_out<B: Backend>(tensor: FloatTensor<B>, dim: usize) -> FloatTensor<B> {
    let mut sizes: Vec<usize> = tensor.shape().iter().copied().collect();
    sizes.remove(dim);
    B::float_reshape(B::float_sum_dim(tensor, dim), Shape::from(sizes))
}

fn reshape<B: Backend, const D: usize>(tensor: FloatTensor<B>, sizes: [usize; D]) -> FloatTensor<B> {
    B::float_reshape(tensor, Shape::from(sizes))
}

/// Zeros like a part of `like`.
fn zeros<B: Backend, const D: usize>(like: &FloatTensor<B>, sizes: [usize; D]) -> FloatTensor<B> {
    B::float_zeros(Shape::from(sizes), &like.device(), FloatDType::from(like.dtype()))
}
