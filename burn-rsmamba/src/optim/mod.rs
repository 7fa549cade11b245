//! What the recipe needs beside Burn's optimisers.

mod adamw;
mod clip;
#[cfg(feature = "cubecl-backend")]
mod gpu;

pub use adamw::{FusedAdamW, FusedAdamWConfig};
pub use clip::clip_grad_norm;
