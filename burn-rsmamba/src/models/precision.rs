//! Matrix products and convolutions in half precision, the rest in f32.

use super::RsmModel;
use crate::scan::supports_dtype;
use burn::{
    Tensor,
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Device, FloatDType},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What the matrix products and convolutions of a model are computed in.
///
/// In half precision the residual stream, normalisations, GELU, the depthwise convolutions, the scan's state and parameters, the
/// logits and the gradients that reach the parameters stay in f32: more than under PyTorch's autocast. Where layers are composed of
/// Burn's operations (every CPU backend) the scan's activations are in half precision too, on a GPU they are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits throughout.
    #[default]
    F32,
    /// Half precision with the exponents of f32: to train with and to predict with.
    Bf16,
    /// Half precision of a smaller range: to predict with. Training would need its loss scaled, which nothing here does.
    F16,
}

impl Precision {
    /// Every precision, by its name.
    pub const ALL: [(Self, &'static str); 3] = [(Self::F32, "f32"), (Self::Bf16, "bf16"), (Self::F16, "f16")];

    fn half(self) -> Option<FloatDType> {
        match self {
            Self::F32 => None,
            Self::Bf16 => Some(FloatDType::BF16),
            Self::F16 => Some(FloatDType::F16),
        }
    }

    /// Whether the device computes in it.
    pub fn is_supported(self, device: &Device) -> bool {
        self.half().is_none_or(|dtype| supports_dtype(device, dtype))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(precision, _)| precision == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name).map(|(precision, _)| *precision);
        found.ok_or_else(|| format!("`{name}` is not a precision; choose f32, bf16 or f16"))
    }
}

impl RsmModel {
    /// The model in this precision: the weights of its matrix products and convolutions, and with them what these compute.
    ///
    /// Weights that were rounded once stay so: convert from f32 each time. For inference, convert once. On an autodiff device the weights of the result follow from this model's in the graph:
    /// run the result forward and backward, and take the gradients (in f32) and the step with this model. The running
    /// statistics of batch normalisation are shared with it.
    ///
    /// ```
    /// use burn::{Tensor, optim::GradientsParams};
    /// use burn_rsmamba::{ModelConfig, Precision, Task};
    ///
    /// let device = burn::tensor::Device::flex().autodiff();
    /// let model = ModelConfig::preset(Task::Ss, "micro").unwrap().init(&device);
    /// let image = Tensor::ones([1, 3, 32, 32], &device);
    /// let loss = model.clone().in_precision(Precision::Bf16).forward(&[image]).mean();
    /// let gradients = GradientsParams::from_grads(loss.backward(), &model);
    /// assert!(!gradients.is_empty());
    /// ```
    ///
    /// # Panics
    ///
    /// When the device does not compute in it ([`Precision::is_supported`]).
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        let dtype = precision.half().unwrap_or(FloatDType::F32);
        if self.arithmetic() == DType::from(dtype) {
            return self;
        }
        if let Some(device) = self.devices().first() {
            assert!(precision.is_supported(device), "RsmModel: {device:?} does not compute in {precision}");
        }
        self.map(&mut CastWeights { dtype, path: Vec::new() })
    }

    /// What its convolutions compute in; the head has one, whatever the configuration.
    fn arithmetic(&self) -> DType {
        match self {
            Self::Ss(model) => model.head.classify.weight.dtype(),
            Self::Cd(model) => model.head.classify.weight.dtype(),
        }
    }
}

/// Casts the weights and biases of every [`Linear`](burn::nn::Linear), every [`Conv2d`](burn::nn::conv::Conv2d) but the depthwise
/// ones, and the scan's projection.
struct CastWeights {
    dtype: FloatDType,
    /// Field and its container, from the outside in.
    path: Vec<(String, String)>,
}

impl CastWeights {
    fn takes_part(&self) -> bool {
        let depthwise = self.path.iter().any(|(field, container)| field == "conv2d" && container == "Struct:Ossm");
        self.path.last().is_some_and(|(field, container)| match container.as_str() {
            "Struct:Linear" => true,
            "Struct:Conv2d" => !depthwise,
            _ => field == "x_proj_weight",
        })
    }
}

impl ModuleMapper for CastWeights {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.takes_part() { param.map(|weight| weight.cast(self.dtype)) } else { param }
    }
}
