//! `NdArray`: the native kernels on the tensors' own memory.

use super::host::{Compute, HostBackend, impl_scan};
use burn::backend::{
    NdArray,
    ndarray::{NdArrayTensor, SharedArray},
};

impl HostBackend for NdArray {
    fn on_host(tensor: NdArrayTensor) -> NdArrayTensor {
        match tensor {
            NdArrayTensor::F32(array) if !array.view().is_standard_layout() => ordered(array.into_shared()).into(),
            NdArrayTensor::F64(array) if !array.view().is_standard_layout() => ordered(array.into_shared()).into(),
            tensor => tensor,
        }
    }

    fn slice<T: Compute>(tensor: &NdArrayTensor) -> &[T] {
        match tensor {
            NdArrayTensor::F32(array) => array.view().to_slice().and_then(|slice| bytemuck::try_cast_slice(slice).ok()),
            NdArrayTensor::F64(array) => array.view().to_slice().and_then(|slice| bytemuck::try_cast_slice(slice).ok()),
            _ => None,
        }
        .expect("contiguous and of this type")
    }
}

fn ordered<E: Clone>(array: SharedArray<E>) -> SharedArray<E> {
    array.as_standard_layout().into_owned().into_shared()
}

impl_scan!(NdArray);
