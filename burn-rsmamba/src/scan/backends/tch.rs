//! `LibTorch`: the native kernels on the memory of CPU tensors. Tensors of other devices are copied to the host and back.

use super::host::{Compute, HostBackend, impl_scan};
use burn::{
    backend::{
        LibTorch, TensorMetadata,
        libtorch::{LibTorchDevice, TchTensor},
        ops::FloatTensorOps,
    },
    tensor::DType,
};

impl HostBackend for LibTorch {
    fn on_host(tensor: TchTensor) -> TchTensor {
        let TchTensor { tensor, storage } = LibTorch::float_to_device(tensor, &LibTorchDevice::Cpu);
        // where nothing is copied, Burn has to know that the memory is shared, or it writes into it
        TchTensor::from_existing(tensor.contiguous(), storage)
    }

    fn slice<T: Compute>(tensor: &TchTensor) -> &[T] {
        assert_eq!(tensor.dtype(), DType::from(T::DTYPE), "LibTorch: the dtype of a scan's operand");
        assert_eq!(tensor.device(), LibTorchDevice::Cpu, "LibTorch: the device of a scan's operand");
        assert!(tensor.tensor.is_contiguous(), "LibTorch: an operand of a scan must be contiguous");
        let (data, len) = (tensor.tensor.data_ptr().cast::<T>(), tensor.tensor.numel());
        if len == 0 {
            return &[];
        }
        assert!(data.is_aligned() && !data.is_null(), "LibTorch: an operand of a scan without memory");
        // SAFETY: a contiguous CPU tensor of this dtype has `len` elements of `T` from its data pointer on, not null and
        // aligned as just checked, and every bit pattern is a `T`. `tensor` is borrowed as long as the slice: it keeps the
        // memory alive, and nobody writes there, because Burn writes in place only into memory whose `storage` one
        // tensor alone holds, through that tensor by value or by `&mut`.
        unsafe { std::slice::from_raw_parts(data, len) }
    }
}

impl_scan!(LibTorch);
