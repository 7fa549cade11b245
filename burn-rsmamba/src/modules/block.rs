use super::{Draws, DropPath, Mlp, MlpConfig, Ossm, OssmConfig, cast, normalised};
use burn::{
    Tensor,
    config::Config,
    module::Module,
    nn::{LayerNorm, LayerNormConfig},
    tensor::Device,
};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use {super::takes_native, crate::layers};

/// Configuration of [`OssBlock`].
#[derive(Config, Debug)]
pub struct OssBlockConfig {
    /// The scan branch.
    pub ossm: OssmConfig,
    /// Hidden channels of the MLP over channels.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Probability of dropping a branch in training.
    #[config(default = 0.0)]
    pub drop_path: f64,
}

/// One encoder block: `x + DropPath(OSSM(LN x))`, then `x + DropPath(MLP(LN x))`.
#[derive(Module, Debug)]
pub struct OssBlock {
    /// Normalisation before the scan.
    pub norm: LayerNorm,
    /// The scan branch.
    pub op: Ossm,
    /// Normalisation before the MLP.
    pub norm2: LayerNorm,
    /// The MLP branch.
    pub mlp: Mlp,
    /// Stochastic depth of both branches.
    pub drop_path: DropPath,
}

impl OssBlockConfig {
    /// Hidden channels of the MLP.
    pub fn hidden(&self) -> usize {
        (self.ossm.channels as f64 * self.mlp_ratio) as usize
    }

    /// A block with initial values.
    pub fn init(&self, device: &Device) -> OssBlock {
        self.build(&mut Draws::of(device))
    }

    pub(crate) fn build(&self, draws: &mut Draws) -> OssBlock {
        let channels = self.ossm.channels;
        OssBlock {
            norm: LayerNormConfig::new(channels).init(draws.device()),
            op: self.ossm.build(draws),
            norm2: LayerNormConfig::new(channels).init(draws.device()),
            mlp: MlpConfig::new(channels, self.hidden()).build(draws),
            drop_path: DropPath { probability: self.drop_path },
        }
    }
}

impl OssBlock {
    /// `[B, H, W, C]` to `[B, H, W, C]`.
    ///
    /// # Panics
    ///
    /// When the map has other channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.scan_branch(x);
        self.mlp_branch(x)
    }

    fn scan_branch(&self, x: Tensor<4>) -> Tensor<4> {
        let factors = self.drop_path.factors(x.dims()[0], &x.device());
        #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
        if takes_native(&x, &self.op.in_proj.weight) {
            return layers::ossm(&x, factors, &self.op.parameters(&self.norm));
        }
        let dtype = x.dtype();
        x.clone() + scaled(cast(self.op.forward(normalised(&self.norm, x)), dtype), factors)
    }

    fn mlp_branch(&self, x: Tensor<4>) -> Tensor<4> {
        let factors = self.drop_path.factors(x.dims()[0], &x.device());
        #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
        if takes_native(&x, &self.mlp.fc1.weight) {
            return layers::mlp(&x, factors, &self.mlp.parameters(&self.norm2));
        }
        let dtype = x.dtype();
        x.clone() + scaled(cast(self.mlp.forward(normalised(&self.norm2, x)), dtype), factors)
    }
}

fn scaled(branch: Tensor<4>, factors: Option<Tensor<1>>) -> Tensor<4> {
    match factors {
        Some(factors) => branch * factors.reshape([-1, 1, 1, 1]),
        None => branch,
    }
}
