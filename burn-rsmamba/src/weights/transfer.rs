//! Weights into a model of other bands, classes or task: what fits is taken, and what does not is told.

use super::{
    WeightsError,
    archive::{Archive, Entry},
    names,
};
use crate::models::{RsmModel, Task};
use std::{collections::BTreeMap, path::Path};

/// The first convolution, the only one that sees the bands.
const FIRST: &str = "patch_embed.0.weight";

/// What [`transfer`] did with the entries that did not simply fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Bands of the file and of the model, where the first convolution was fitted to other bands.
    pub bands: Option<(usize, usize)>,
    /// Entries that kept their initial values, by their official names.
    pub initial: Vec<String>,
}

/// Puts the weights of a file (ours or official) into a model of the same widths and depths.
///
/// * Other **classes**: the last convolution keeps its initial values.
/// * Another **task**: the encoder is taken, all else keeps its initial values.
/// * Other **bands**: the first convolution's weights are repeated over the bands and scaled by old over new, so that an
///   image of equal bands gives what it gave before.
///
/// # Errors
///
/// [`WeightsError`] as for [`load_into`](super::load_into): everything else must fit.
pub fn transfer(model: RsmModel, path: &Path) -> Result<(RsmModel, Transferred), WeightsError> {
    let mut archive = Archive::read(path)?;
    let own = names::export(&model);
    let mut told = Transferred::default();
    let found = names::task(&archive).unwrap_or(model.task());
    let classifier = |task: Task| format!("{}.", names::classifier(task));
    if found == model.task() {
        let classifier = classifier(found);
        let other_classes = own.iter().filter(|(name, _)| name.starts_with(&classifier)).any(|(name, entry)| {
            archive
                .entries
                .get(name)
                .is_some_and(|file| file.shape != entry.shape && file.shape[1..] == entry.shape[1..])
        });
        if other_classes {
            keep_initial(&mut archive.entries, &own, |name| name.starts_with(&classifier), &mut told);
        }
    } else {
        archive.entries.retain(|name, _| is_encoder(name));
        keep_initial(&mut archive.entries, &own, |name| !is_encoder(name), &mut told);
    }
    if let (Some(file), Some(model)) = (archive.entries.get_mut(FIRST), own.get(FIRST)) {
        told.bands = fit_bands(file, &model.shape);
    }
    Ok((names::apply(&archive, model)?, told))
}

fn is_encoder(name: &str) -> bool {
    name.starts_with("patch_embed.") || name.starts_with("encoder_block")
}

fn keep_initial(
    entries: &mut BTreeMap<String, Entry>,
    own: &BTreeMap<String, Entry>,
    chosen: impl Fn(&str) -> bool,
    told: &mut Transferred,
) {
    for (name, entry) in own.iter().filter(|(name, _)| chosen(name)) {
        entries.insert(name.clone(), entry.clone());
        told.initial.push(name.clone());
    }
}

/// Fits `[C, bands, k, k]` to a shape of other bands, and says from how many to how many.
fn fit_bands(entry: &mut Entry, wanted: &[usize]) -> Option<(usize, usize)> {
    let (&[channels, old, height, width], &[own_channels, new, ..]) = (&entry.shape[..], wanted) else { return None };
    if channels != own_channels || old == new || old == 0 {
        return None;
    }
    let (area, scale) = (height * width, old as f32 / new as f32);
    entry.values = (0..channels * new)
        .flat_map(|row| {
            let start = (row / new * old + row % new % old) * area;
            entry.values[start..start + area].iter().map(|value| value * scale).collect::<Vec<_>>()
        })
        .collect();
    entry.shape = wanted.to_vec();
    Some((old, new))
}
