//! The layers on Flex: one file a layer, each a [`FlexLayer`] by native kernels, and `node.rs`, which makes them nodes of a graph.

mod conv;
mod fuse;
mod mlp;
mod node;
mod norm;
mod ossm;
mod upsample;

pub(super) use node::{FlexLayer, run};
