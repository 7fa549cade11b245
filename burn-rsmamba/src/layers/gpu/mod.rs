//! The layers on a GPU: one file a layer, each a [`GpuLayer`] by the kernels of `burn_rsmamba_kernels::gpu::layers` and Burn's products
//! of matrices, `optim.rs`, what a step of the optimiser computes, and `node.rs`, which makes them operations of CubeCL and nodes of the
//! graph.

mod conv;
mod fuse;
mod maps;
mod mlp;
mod node;
mod norm;
mod optim;
mod ossm;
mod upsample;

pub(super) use burn_rsmamba_kernels::gpu::layers::are_supported;
pub(super) use node::{GpuLayer, run};
pub(crate) use optim::{adamw, scaled, square_sums};
