//! What the models compute beside the scan, with native kernels where there are some.
//!
//! Every module of [`mod@modules`](crate::modules) is written in Burn's own operations and runs so on every backend. On Flex and on
//! CubeCL's GPUs the functions of this folder take over: whole branches and layers on channel-last f32 maps, forward and backward, as
//! one node of the graph each; with weights in f32, on GPUs in half precision too. [`composed`] switches them off, for comparing and for tests.
//!
//! * one file a layer: its function, its operands and what it has to know;
//! * `flex/`, `gpu/`: how Flex and a GPU compute it, under the same name.

#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod call;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod conv;
#[cfg(feature = "flex")]
mod flex;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod fuse;
#[cfg(feature = "cubecl-backend")]
mod gpu;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod mlp;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod norm;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod ossm;
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
mod upsample;

#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
pub(crate) use {
    call::{is_native, takes_native},
    conv::conv2d,
    fuse::fuse,
    mlp::{MlpParameters, mlp},
    norm::{Norm, batch_norm_relu, batch_statistics, layer_norm},
    ossm::{OssmParameters, ossm},
    upsample::upsample_bilinear2x,
};

#[cfg(feature = "cubecl-backend")]
pub(crate) use {
    call::is_on_gpu,
    gpu::{adamw, scaled, square_sums},
};

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
