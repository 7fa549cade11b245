use super::{RsmCdConfig, RsmModel, RsmSsConfig, Task};
use crate::modules::{OssBlockConfig, OssmConfig};
use burn::{config::Config, tensor::Device};
use burn_rsmamba_kernels::Directions;
use serde::{Deserialize, Serialize};

/// The encoder that both models share.
#[derive(Config, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Bands of an image.
    #[config(default = 3)]
    pub bands: usize,
    /// Channels of the four stages.
    #[config(default = "[96, 192, 384, 768]")]
    pub dims: [usize; 4],
    /// Blocks of the four stages.
    #[config(default = "[2, 2, 9, 2]")]
    pub depths: [usize; 4],
    /// N, states of a channel.
    #[config(default = 16)]
    pub d_state: usize,
    /// Ratio of the scan's inner channels to the channels.
    #[config(default = 2.0)]
    pub ssm_ratio: f64,
    /// Ratio of the MLP's hidden channels to the channels.
    #[config(default = 4.0)]
    pub mlp_ratio: f64,
    /// Stochastic depth of the last block; it rises linearly from 0 at the first.
    #[config(default = 0.1)]
    pub drop_path: f64,
    /// Pixel orders of the scan; written as their number (8, 4, 2 or 1).
    #[config(default = "Directions::Eight")]
    pub directions: Directions,
}

impl EncoderConfig {
    /// Configuration of block `index` of `stage`, with its share of the stochastic depth.
    pub(crate) fn block(&self, stage: usize, index: usize) -> OssBlockConfig {
        let before: usize = self.depths[..stage].iter().sum();
        let last = self.depths.iter().sum::<usize>() - 1;
        let drop_path = self.drop_path * (before + index) as f64 / last.max(1) as f64;
        let ossm = OssmConfig::new(self.dims[stage])
            .with_states(self.d_state)
            .with_ssm_ratio(self.ssm_ratio)
            .with_directions(self.directions.count());
        OssBlockConfig::new(ossm).with_mlp_ratio(self.mlp_ratio).with_drop_path(drop_path)
    }
}

/// A complete model: everything that is needed to make it and to read its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Segmentation or change detection.
    pub task: Task,
    /// Classes, at most 255; 1 is a binary mask.
    pub classes: usize,
    /// The encoder.
    pub encoder: EncoderConfig,
}

/// A configuration that no model can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model configuration: `{field}` {problem}")]
pub struct ConfigError {
    /// The field at fault.
    pub field: &'static str,
    /// What is wrong with it, and the mend.
    pub problem: String,
}

impl ModelConfig {
    /// Names of the presets, from the paper's model to the smallest.
    pub const PRESETS: &[&str] = &["tiny", "small", "nano", "micro"];

    /// A preset for three bands and one class: `tiny` is the paper's model, the others are for CPUs and tests.
    pub fn preset(task: Task, name: &str) -> Option<Self> {
        let base = match task {
            Task::Ss => EncoderConfig::new(),
            Task::Cd => EncoderConfig::new().with_drop_path(0.2),
        };
        let encoder = match name {
            "tiny" => base,
            "small" => base.with_dims([48, 96, 192, 384]).with_depths([2, 2, 4, 2]).with_d_state(8),
            "nano" => base.with_dims([24, 48, 96, 192]).with_depths([1, 1, 2, 1]).with_d_state(4).with_mlp_ratio(2.0),
            "micro" => base.with_dims([16, 32, 64, 128]).with_depths([1, 1, 2, 1]).with_d_state(4).with_mlp_ratio(2.0),
            _ => return None,
        };
        Some(Self { task, classes: 1, encoder })
    }

    /// Checks that a model can be made.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first field at fault.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |field, problem: String| Err(ConfigError { field, problem });
        let EncoderConfig { bands, dims, depths, d_state, ssm_ratio, mlp_ratio, drop_path, directions: _ } =
            &self.encoder;
        // Labels and maps are bytes, of which 255 counts nowhere.
        for (field, value, most) in
            [("classes", self.classes, 255), ("bands", *bands, 4096), ("d_state", *d_state, 4096)]
        {
            if value == 0 || value > most {
                return fail(field, format!("must lie between 1 and {most}, got {value}"));
            }
        }
        if depths.iter().any(|&depth| depth == 0 || depth > 128) {
            return fail("depths", format!("must lie between 1 and 128 each, got {depths:?}"));
        }
        if dims[0] < 2 || dims[0] % 2 != 0 || dims[0] > 4096 || (1..4).any(|s| dims[s] != 2 * dims[s - 1]) {
            return fail("dims", format!("must start with an even number of at most 4096 and double, got {dims:?}"));
        }
        for (field, ratio) in [("ssm_ratio", *ssm_ratio), ("mlp_ratio", *mlp_ratio)] {
            let channels = ratio * dims[0] as f64;
            if !(ratio > 0.0 && ratio <= 16.0 && channels.fract() == 0.0) {
                return fail(
                    field,
                    format!("must give a whole number of channels, at most 16 times as many, got {ratio}"),
                );
            }
        }
        if !(0.0..1.0).contains(drop_path) {
            return fail("drop_path", format!("must be a probability below 1, got {drop_path}"));
        }
        Ok(())
    }

    /// A model with initial values, by a seed drawn from the device's generator (`device.seed`).
    ///
    /// # Panics
    ///
    /// When [`validate`](Self::validate) fails.
    pub fn init(&self, device: &Device) -> RsmModel {
        let encoder = self.encoder.clone();
        match self.task {
            Task::Ss => RsmModel::Ss(RsmSsConfig::new(encoder).with_classes(self.classes).init(device)),
            Task::Cd => RsmModel::Cd(RsmCdConfig::new(encoder).with_classes(self.classes).init(device)),
        }
    }

    /// A model with initial values that depend on the seed alone: the same on every device and platform.
    ///
    /// # Panics
    ///
    /// When [`validate`](Self::validate) fails.
    pub fn init_seeded(&self, seed: u64, device: &Device) -> RsmModel {
        let encoder = self.encoder.clone();
        match self.task {
            Task::Ss => RsmModel::Ss(RsmSsConfig::new(encoder).with_classes(self.classes).init_seeded(seed, device)),
            Task::Cd => RsmModel::Cd(RsmCdConfig::new(encoder).with_classes(self.classes).init_seeded(seed, device)),
        }
    }
}
