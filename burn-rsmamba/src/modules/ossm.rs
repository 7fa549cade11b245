use super::{Draws, cast, channels_first, channels_last, linear, normalised};
use crate::{Directions, ScanOptions, omni_selective_scan};
#[cfg(any(feature = "flex", feature = "cubecl-backend"))]
use crate::{layers::OssmParameters, modules::layer_norm};
use burn::{
    Tensor,
    config::Config,
    module::{Initializer, Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear, conv::Conv2d},
    tensor::{Device, activation::silu},
};

/// Configuration of [`Ossm`].
#[derive(Config, Debug)]
pub struct OssmConfig {
    /// Channels of the map.
    pub channels: usize,
    /// N, states of a channel.
    #[config(default = 16)]
    pub states: usize,
    /// Inner channels over channels.
    #[config(default = 2.0)]
    pub ssm_ratio: f64,
    /// K, how many pixel orders: 8, 4, 2 or 1.
    #[config(default = 8)]
    pub directions: usize,
}

impl OssmConfig {
    /// Inner channels.
    pub fn inner(&self) -> usize {
        (self.channels as f64 * self.ssm_ratio) as usize
    }

    /// R, rank of the step projection: a sixteenth of the channels, rounded up.
    pub fn rank(&self) -> usize {
        self.channels.div_ceil(16)
    }
}

/// Omnidirectional selective state-space block of RS-Mamba (arXiv 2404.02668, figure 3).
#[derive(Module, Debug)]
pub struct Ossm {
    /// `C -> 2 D`: the scanned half and the gate.
    pub in_proj: Linear,
    /// Depthwise 3×3.
    pub conv2d: Conv2d,
    /// Low-rank step, b and c of each direction, `[K, R + 2 N, D]`.
    pub x_proj_weight: Param<Tensor<3>>,
    /// Expansion of the step, `[K, D, R]`.
    pub dt_projs_weight: Param<Tensor<3>>,
    /// Bias of the step, `[K, D]`.
    pub dt_projs_bias: Param<Tensor<2>>,
    /// `ln(-a)`, `[K * D, N]`.
    pub a_logs: Param<Tensor<2>>,
    /// Skip connection, `[K * D]`.
    pub ds: Param<Tensor<1>>,
    /// Normalisation of the merged scan.
    pub out_norm: LayerNorm,
    /// `D -> C`.
    pub out_proj: Linear,
}

impl OssmConfig {
    /// A block with initial values.
    ///
    /// # Panics
    ///
    /// When `directions` is not 8, 4, 2 or 1.
    pub fn init(&self, device: &Device) -> Ossm {
        self.build(&mut Draws::of(device))
    }

    pub(super) fn build(&self, draws: &mut Draws) -> Ossm {
        assert!(
            Directions::from_count(self.directions).is_some(),
            "OssmConfig: `directions` must be 8, 4, 2 or 1, got {}",
            self.directions
        );
        let (inner, rank, k) = (self.inner(), self.rank(), self.directions);
        Ossm {
            in_proj: draws.linear(self.channels, 2 * inner, false),
            conv2d: draws.depthwise(inner),
            x_proj_weight: draws.uniform([k, rank + 2 * self.states, inner], (inner as f64).sqrt().recip()),
            dt_projs_weight: draws.uniform([k, inner, rank], (rank as f64).sqrt().recip()),
            dt_projs_bias: draws.dt_bias([k, inner]),
            a_logs: draws.a_logs(k * inner, self.states),
            ds: Initializer::Ones.init([k * inner], draws.device()),
            out_norm: LayerNormConfig::new(inner).init(draws.device()),
            out_proj: draws.linear(inner, self.channels, false),
        }
    }
}

impl Ossm {
    /// For the native branch: with the normalisation before it.
    #[cfg(any(feature = "flex", feature = "cubecl-backend"))]
    pub(super) fn parameters(&self, norm: &LayerNorm) -> OssmParameters {
        OssmParameters {
            norm: layer_norm(norm),
            in_proj: self.in_proj.weight.val(),
            conv_weight: self.conv2d.weight.val(),
            conv_bias: self.conv2d.bias.as_ref().expect("the convolution has a bias").val(),
            x_proj: self.x_proj_weight.val(),
            dt_weight: self.dt_projs_weight.val(),
            dt_bias: self.dt_projs_bias.val(),
            a_logs: self.a_logs.val(),
            skip: self.ds.val(),
            out_norm: layer_norm(&self.out_norm),
            out_proj: self.out_proj.weight.val(),
            directions: self.directions(),
        }
    }

    /// `[B, H, W, C]` to `[B, H, W, C]`, in the dtype of the weights.
    ///
    /// # Panics
    ///
    /// When the map has other channels.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [x, gate]: [Tensor<4>; 2] =
            linear(&self.in_proj, input).chunk(2, 3).try_into().expect("the projection is two halves wide");
        let dtype = gate.dtype();
        let x = self.conv2d.forward(channels_first(cast(x, self.conv2d.weight.dtype())));
        let x = silu(cast(channels_last(x), dtype));
        let y = normalised(&self.out_norm, self.scan(x));
        linear(&self.out_proj, cast(y, dtype) * silu(gate))
    }

    /// The projections of every pixel, taken once, then the scan along every direction.
    fn scan(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, inner] = x.dims();
        let [k, row, _] = self.x_proj_weight.dims();
        let weight = self.x_proj_weight.val().reshape([k * row, inner]).transpose();
        let projection = x.clone().reshape([batch * height * width, inner]).matmul(weight);
        omni_selective_scan(
            x,
            projection.reshape([batch, height, width, k, row]),
            self.dt_projs_weight.val(),
            -self.a_logs.val().exp(),
            Some(self.ds.val()),
            Some(self.dt_projs_bias.val().reshape([k * inner])),
            self.directions(),
            ScanOptions { delta_softplus: true },
        )
    }

    /// The pixel orders that the parameters are for.
    pub fn directions(&self) -> Directions {
        let [k, _, _] = self.x_proj_weight.dims();
        Directions::from_count(k).expect("checked when the block was made")
    }
}
