//! What the models compute beside the scan, with native kernels where there are some.
//!
//! Every module of [`mod@modules`](crate::modules) is written in Burn's own operations and runs so on every backend. On Flex, in f32,
//! the functions of this folder take over: whole branches and layers on channel-last maps, forward and backward, as one
//! node of the graph each (`native/`). [`composed`] switches them off, for comparing and for tests.

#[cfg(feature = "flex")]
mod native;

#[cfg(feature = "flex")]
pub(crate) use native::{
    MlpParameters, Norm, OssmParameters, batch_norm_relu, batch_statistics, conv2d, fuse, layer_norm, mlp, ossm,
    upsample_bilinear2x,
};

#[cfg(feature = "flex")]
use burn::Tensor;
use std::cell::Cell;

thread_local! {
    static COMPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `run` with all layers composed of Burn's own operations, as on a backend without native kernels.
///
/// A graph recorded inside stays composed in its backward pass. The scan itself is not touched: for that see
/// [`scan::reference`](crate::scan::reference). Counts for the current thread.
pub fn composed<R>(run: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            COMPOSED.set(self.0);
        }
    }
    let _restore = Restore(COMPOSED.replace(true));
    run()
}

/// Whether native kernels take this map.
#[cfg(feature = "flex")]
pub(crate) fn is_native<const D: usize>(x: &Tensor<D>) -> bool {
    use burn::{backend::DispatchDevice, tensor::DType};
    !COMPOSED.get() && x.dtype() == DType::F32 && matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}
