//! The architecture among the settings: a preset, and what is changed of it.

use burn_rsmamba::{Directions, EncoderConfig, ModelConfig, Task};
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// The architecture; what is absent comes from the preset, and in a run folder nothing is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelSection {
    classes: Option<usize>,
    pub(super) bands: Option<usize>,
    dims: Option<[usize; 4]>,
    depths: Option<[usize; 4]>,
    d_state: Option<usize>,
    ssm_ratio: Option<f64>,
    mlp_ratio: Option<f64>,
    pub(super) drop_path: Option<f64>,
    /// Their number: 8, 4, 2 or 1.
    directions: Option<usize>,
}

/// The model of that name.
///
/// # Errors
///
/// A usage error that lists the names there are.
pub(crate) fn preset(task: Task, name: &str) -> Result<ModelConfig, Failure> {
    ModelConfig::preset(task, name)
        .ok_or_else(|| Failure::usage(format!("unknown preset {name}; there are {}", ModelConfig::PRESETS.join(", "))))
}

impl ModelSection {
    /// A section that leaves nothing to the preset.
    pub(super) fn of(config: &ModelConfig) -> Self {
        let encoder = &config.encoder;
        Self {
            classes: Some(config.classes),
            bands: Some(encoder.bands),
            dims: Some(encoder.dims),
            depths: Some(encoder.depths),
            d_state: Some(encoder.d_state),
            ssm_ratio: Some(encoder.ssm_ratio),
            mlp_ratio: Some(encoder.mlp_ratio),
            drop_path: Some(encoder.drop_path),
            directions: Some(encoder.directions.count()),
        }
    }

    /// Changes a model to what the section says.
    ///
    /// # Errors
    ///
    /// A usage error for a number of directions there is no set of.
    pub(super) fn change(&self, config: &mut ModelConfig) -> Result<(), Failure> {
        let own = config.encoder.clone();
        let directions = match self.directions {
            None => own.directions,
            Some(count) => Directions::from_count(count)
                .ok_or_else(|| Failure::usage(format!("model.directions must be 8, 4, 2 or 1, not {count}")))?,
        };
        config.classes = self.classes.unwrap_or(config.classes);
        config.encoder = EncoderConfig {
            bands: self.bands.unwrap_or(own.bands),
            dims: self.dims.unwrap_or(own.dims),
            depths: self.depths.unwrap_or(own.depths),
            d_state: self.d_state.unwrap_or(own.d_state),
            ssm_ratio: self.ssm_ratio.unwrap_or(own.ssm_ratio),
            mlp_ratio: self.mlp_ratio.unwrap_or(own.mlp_ratio),
            drop_path: self.drop_path.unwrap_or(own.drop_path),
            directions,
        };
        Ok(())
    }
}
