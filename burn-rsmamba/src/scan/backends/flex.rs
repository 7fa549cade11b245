//! Flex: the native kernels on the tensors' own memory.

use super::host::{Compute, HostBackend, impl_scan};
use burn::backend::Flex;
use burn_flex::FlexTensor;

impl HostBackend for Flex {
    fn on_host(tensor: FlexTensor) -> FlexTensor {
        tensor.to_contiguous()
    }

    fn slice<T: Compute>(tensor: &FlexTensor) -> &[T] {
        tensor.as_slice().expect("contiguous and of this type")
    }
}

impl_scan!(Flex);
