//! A model's configuration from the names and shapes of an official state dict.

use super::{WeightsError, archive::Archive, names};
use crate::models::{EncoderConfig, ModelConfig, Task};
use burn_rsmamba_kernels::Directions;

pub(super) fn config(archive: &Archive) -> Result<ModelConfig, WeightsError> {
    let fail = |reason: String| WeightsError::not_weights(&archive.path, &reason);
    let Some(task) = names::task(archive) else {
        return Err(fail(format!(
            "no `{}.weight` or `{}.weight` among its {} entries: not an RS-Mamba checkpoint",
            names::classifier(Task::Ss),
            names::classifier(Task::Cd),
            archive.entries.len()
        )));
    };
    let shape = |name: &str, rank: usize| match archive.entries.get(name) {
        None => Err(fail(format!("entry `{name}` is missing"))),
        Some(entry) if entry.shape.len() != rank => {
            Err(fail(format!("entry `{name}` must have {rank} dimensions, got {:?}", entry.shape)))
        }
        Some(entry) => Ok(&entry.shape[..]),
    };

    let classes = shape(&format!("{}.weight", names::classifier(task)), 4)?[0];
    let bands = shape("patch_embed.0.weight", 4)?[1];
    let mut dims = [0; 4];
    let mut depths = [0; 4];
    for stage in 0..4 {
        let block = format!("encoder_block{}.blocks", stage + 1);
        dims[stage] = shape(&format!("{block}.0.norm.weight"), 1)?[0];
        depths[stage] = (0..archive.entries.len())
            .take_while(|index| archive.entries.contains_key(&format!("{block}.{index}.norm.weight")))
            .count();
    }
    let first = "encoder_block1.blocks.0";
    let [k, _, inner] = shape(&format!("{first}.op.x_proj_weight"), 3)? else { unreachable!("three dimensions") };
    let d_state = shape(&format!("{first}.op.A_logs"), 2)?[1];
    let hidden = shape(&format!("{first}.mlp.fc1.weight"), 2)?[0];

    let directions = Directions::from_count(*k)
        .ok_or_else(|| fail(format!("its scan has {k} directions; 8, 4, 2 and 1 are known")))?;
    let width = dims[0].max(1) as f64;
    let config = ModelConfig {
        task,
        classes,
        encoder: EncoderConfig {
            bands,
            dims,
            depths,
            d_state,
            ssm_ratio: *inner as f64 / width,
            mlp_ratio: hidden as f64 / width,
            directions,
            ..ModelConfig::preset(task, "tiny").expect("the paper's preset").encoder
        },
    };
    config.validate().map_err(|error| fail(error.to_string()))?;
    Ok(config)
}
