//! RS-Mamba (arXiv 2404.02668) for [Burn](https://burn.dev): the selective scan as a backend extension, and the RSM-SS
//! (semantic segmentation) and RSM-CD (change detection) models on it.
//!
//! * [`selective_scan`] and [`omni_selective_scan`]: the op, differentiable, over [`burn::Tensor`]. See [`mod@scan`].
//! * `RsmSsConfig` and `RsmCdConfig`: the models, as Burn modules. See `models` and `modules`.
//! * `weights`: our own files and official PyTorch checkpoints.
//! * `layers`: kernels for whole layers on the CPU and on GPUs, which the modules use by themselves.
//! * `losses`, `metrics`, `optim`, `inference`, `vector`: what training and mapping need beside Burn.
//! * `receptive_field`: how far a model sees.
//! * `learner` (feature `train`): the models under Burn's `SupervisedTraining`.
//! * `snapshot`: a model's output as a text for tests.
//!
//! ```
//! # #[cfg(all(feature = "models", feature = "flex"))] {
//! use burn::{Tensor, tensor::Device};
//! use burn_rsmamba::RsmSsConfig;
//!
//! let device = Device::flex();
//! let model = RsmSsConfig::micro().init(&device);
//! let logits = model.forward(Tensor::<4>::zeros([1, 3, 50, 33], &device)); // any size
//! assert_eq!(logits.dims(), [1, 1, 50, 33]);
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `flex` | yes | the pure-Rust CPU backend, with native kernels |
//! | `models` | yes | everything but the op; without it the crate is the op alone, for other Mamba models |
//! | `train` | no | the models under Burn's training engine |
//! | `cuda`, `rocm`, `metal`, `vulkan`, `webgpu`, `wgpu` | no | a GPU, by CubeCL kernels, with operator fusion |
//! | `cuda-cpp` | no | CUDA kernels through NVRTC in place of LLVM |
//! | `tch`, `ndarray` | no | LibTorch and `NdArray`, which Burn deprecates, with the native kernels of the scan |
//! | `cubecl-backend` | no | CubeCL without fusion, beside a runtime that is turned on in `burn` |
//!
//! A backend whose feature is on in `burn` but not here panics when the op is called on it: turn features on here.
//!
//! # Four lines for each backend
//!
//! ```toml
//! [dependencies]
//! burn = { version = "0.22.1", default-features = false, features = ["std", "BACKEND", "autodiff"] }
//! burn-rsmamba = { version = "0.1.0", features = ["BACKEND"] } # or the path of a checkout
//! # and the device of the table; drop "autodiff" where nothing is trained
//! ```
//!
//! | backend | `BACKEND` | device |
//! |---|---|---|
//! | any CPU | `flex` | `Device::flex()` |
//! | NVIDIA GPUs | `cuda` | `Device::cuda(0)` |
//! | AMD GPUs | `rocm` | `Device::rocm(0)` |
//! | Vulkan, by SPIR-V | `vulkan` | `Device::vulkan(DeviceKind::DefaultDevice)` |
//! | Apple GPUs | `metal` | `Device::metal(DeviceKind::DefaultDevice)` |
//! | WebGPU (browsers were not tried; training binds 16 buffers, which they may refuse) | `webgpu` | `Device::webgpu(DeviceKind::DefaultDevice)` |
//! | whatever wgpu finds | `wgpu` | `Device::wgpu(DeviceKind::DefaultDevice)` |
//! | CPU through LibTorch, which Burn deprecates | `tch` | `Device::libtorch()` |
//! | CPU through `ndarray`, which Burn deprecates | `ndarray` | `Device::ndarray()` |

#[cfg(feature = "models")]
pub mod inference;
#[cfg(feature = "models")]
pub mod layers;
#[cfg(feature = "train")]
pub mod learner;
#[cfg(feature = "models")]
pub mod losses;
#[cfg(feature = "models")]
pub mod metrics;
#[cfg(feature = "models")]
pub mod models;
#[cfg(feature = "models")]
pub mod modules;
#[cfg(feature = "models")]
pub mod optim;
#[cfg(feature = "models")]
pub mod receptive_field;
pub mod scan;
#[cfg(feature = "models")]
pub mod snapshot;
#[cfg(feature = "models")]
pub mod vector;
#[cfg(feature = "models")]
pub mod weights;

pub use burn_rsmamba_kernels::Directions;
#[cfg(feature = "models")]
pub use models::{
    ConfigError, EncoderConfig, ModelConfig, Precision, RsmCd, RsmCdConfig, RsmModel, RsmSs, RsmSsConfig, Task,
    complexity,
};
pub use scan::{ScanOptions, omni_selective_scan, selective_scan, selective_scan_with_state};
#[cfg(feature = "models")]
pub use weights::{ModelMeta, Normalisation};
