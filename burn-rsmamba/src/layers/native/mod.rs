//! Layers on Flex: one file a layer, each a [`NativeLayer`](node::NativeLayer), and `node.rs`, which makes them nodes of a graph.

mod conv;
mod fuse;
mod mlp;
mod node;
mod norm;
mod ossm;
mod upsample;

pub(crate) use conv::conv2d;
pub(crate) use fuse::fuse;
pub(crate) use mlp::{MlpParameters, mlp};
pub(crate) use norm::{Norm, batch_norm_relu, batch_statistics, layer_norm};
pub(crate) use ossm::{OssmParameters, ossm};
pub(crate) use upsample::upsample_bilinear2x;
