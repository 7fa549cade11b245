//! Weights into a model of other bands, classes or task: what fits is taken, and what does not is told.

use super::{Normalisation, WeightsError, archive::Archive, names};
use crate::models::{RsmModel, Task};
use std::{collections::BTreeSet, path::Path};

/// The first convolution, the only one that sees the bands.
const FIRST: &str = "patch_embed.0.weight";

/// What [`transfer`] did with the entries that did not simply fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transferred {
    /// Bands of the file and of the model, where the first convolution was fitted to other bands.
    pub bands: Option<(usize, usize)>,
    /// Entries that kept their initial values, by their official names.
    pub initial: Vec<String>,
    /// What the images of the file's model were scaled by, where the file says so.
    pub normalisation: Option<Normalisation>,
}

/// What of a file goes into a model, by official names.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Of the model: keep their values.
    pub(super) initial: BTreeSet<String>,
    /// Of the file: are not taken.
    pub(super) left: BTreeSet<String>,
    /// Of both: fitted to the model's bands.
    pub(super) fitted: Option<&'static str>,
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
    let archive = Archive::read(path)?;
    let own = names::shapes(&model);
    let file_shape = |name: &str| archive.entries.get(name).map(|entry| &entry.shape[..]);
    // equal but for one axis
    let differs = |name: &str, axis: usize| match (own.get(name).map(Vec::as_slice), file_shape(name)) {
        (Some(own), Some(file)) if own.len() == file.len() && own.len() > axis && own[axis] != file[axis] => {
            (0..own.len()).all(|other| other == axis || own[other] == file[other]).then_some((file[axis], own[axis]))
        }
        _ => None,
    };

    let mut plan = Plan::default();
    let task = names::task(&archive).unwrap_or(model.task());
    let stays: Box<dyn Fn(&str) -> bool> = if task != model.task() {
        plan.left = archive.entries.keys().filter(|name| !is_encoder(name)).cloned().collect();
        Box::new(|name| !is_encoder(name))
    } else if differs(&format!("{}.weight", names::classifier(task)), 0).is_some() {
        Box::new(move |name| is_classifier(name, task))
    } else {
        Box::new(|_| false)
    };
    plan.initial = own.keys().filter(|name| stays(name)).cloned().collect();
    plan.left.extend(plan.initial.iter().filter(|name| archive.entries.contains_key(*name)).cloned());
    let bands = differs(FIRST, 1);
    plan.fitted = bands.map(|_| FIRST);
    let normalisation = archive.meta().ok().map(|meta| meta.normalisation);
    let told = Transferred { bands, initial: plan.initial.iter().cloned().collect(), normalisation };
    let model = names::apply_as(&archive, model, &plan)?;
    archive.verify()?;
    Ok((model, told))
}

fn is_encoder(name: &str) -> bool {
    name.starts_with("patch_embed.") || name.starts_with("encoder_block")
}

fn is_classifier(name: &str, task: Task) -> bool {
    name.split('.').next() == Some(names::classifier(task))
}

/// Fits the values of `[C, old, k, k]` to `[C, new, k, k]`.
pub(super) fn fit_bands(values: &[f32], from: &[usize], to: &[usize]) -> Vec<f32> {
    let (old, new, area) = (from[1], to[1], from[2..].iter().product::<usize>());
    let scale = old as f32 / new as f32;
    (0..from[0] * new)
        .flat_map(|row| {
            let start = (row / new * old + row % new % old) * area;
            values[start..start + area].iter().map(|value| value * scale).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fit_bands;

    #[test]
    fn bands_are_repeated_or_left_out_and_keep_their_sum_over_equal_bands() {
        // two channels of three bands, one weight each
        let three = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(fit_bands(&three, &[2, 3, 1, 1], &[2, 1, 1, 1]), [3.0, 12.0]);
        let four = fit_bands(&three, &[2, 3, 1, 1], &[2, 4, 1, 1]);
        assert_eq!(four, [0.75, 1.5, 2.25, 0.75, 3.0, 3.75, 4.5, 3.0]);
    }
}
