//! `erf`: the effective receptive field of models as a picture, and the share of gradient energy by distance.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use burn_dataset::Dataset;
use burn_rsmamba::receptive_field::ReceptiveField;
use burn_rsmamba::{ModelMeta, RsmModel};
use burn_rsmamba_datasets::{CropOptions, Crops, LabelRule, Storage};
use image::{Rgb, RgbImage};
use serde::Serialize;

use crate::cli::ErfArgs;
use crate::error::{Failure, Outcome};
use crate::output::print_json;
use crate::progress::Progress;
use crate::training::batch::{self, Batch};
use crate::{aside, config, data, device, model_file, pictures};

/// Energies are shown over so many powers of ten below the largest.
const DECADES: f64 = 6.0;
/// Pixels between two panels.
const GAP: u32 = 4;

/// One panel.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    directions: usize,
    /// Crops that were averaged.
    crops: usize,
    size: usize,
    /// The share of the energy within so many pixels of the middle.
    within: BTreeMap<usize, f64>,
    /// The least whole number of pixels that holds half of the energy.
    half: usize,
}

/// Prints a JSON line a model and writes the picture.
pub(super) fn run(args: &ErfArgs, progress: &mut Progress) -> Outcome {
    if args.out.exists() {
        return Err(Failure::usage(format!("{} is there; remove it or choose another --out", args.out.display())));
    }
    aside::prepare(&args.out, "--out")?;
    let device = device::named(&args.device)?.autodiff();
    let subjects = subjects(args, &device)?;
    let options = CropOptions { size: args.size, ..CropOptions::default() };
    // What labels hold does not matter, nor whether they are all there.
    let source = data::Source { data: &args.data, task: args.task, rule: &LabelRule::NonZero, allow_unpaired: true };
    let crops = source.crops(args.split, options, Storage::default(), progress)?;
    let mut fields = Vec::new();
    for (name, model, meta) in &subjects {
        if !args.model.is_empty() {
            model_file::expect_bands(name.as_ref(), meta, crops.bands())?;
        }
        let (field, taken) = field(model, meta, &crops, args.count, name, &device, progress)?;
        let radii = (4..).map(|power| 1 << power).take_while(|&radius| radius <= args.size / 2);
        print_json(&Report {
            model: name.clone(),
            directions: meta.config.encoder.directions.count(),
            crops: taken,
            size: args.size,
            within: radii.map(|radius| (radius, field.share_within(radius as f64))).collect(),
            half: (0..2 * args.size).find(|&radius| field.share_within(radius as f64) >= 0.5).unwrap_or(args.size),
        })?;
        fields.push(field);
    }
    pictures::write_picture(&args.out, &panels(&fields))?;
    Ok(())
}

/// The models with their names and descriptions.
fn subjects(args: &ErfArgs, device: &Device) -> Result<Vec<(String, RsmModel, ModelMeta)>, Failure> {
    let loaded = args.model.iter().map(|path| {
        let (model, meta) = model_file::load(path, device)?;
        Ok((path.display().to_string(), model, meta))
    });
    let fresh = args.directions.iter().filter(|_| args.model.is_empty()).map(|&directions| {
        let mut config = config::preset(args.task, &args.preset)?;
        config.encoder.directions = directions;
        let model = config.init_seeded(args.seed, device);
        Ok((format!("{}, initial weights", args.preset), model, ModelMeta::new(config, "")))
    });
    loaded.chain(fresh).collect()
}

/// The mean over crops that lie evenly over the split, and their number.
fn field(
    model: &RsmModel,
    meta: &ModelMeta,
    crops: &Crops,
    count: usize,
    name: &str,
    device: &Device,
    progress: &mut Progress,
) -> anyhow::Result<(ReceptiveField, usize)> {
    let taken = count.min(crops.len());
    let mut sum = None::<ReceptiveField>;
    progress.start(format!("gradients of {name}"), taken);
    for number in 0..taken {
        let mut samples = [crops.get(number * crops.len() / taken)?];
        batch::normalise_samples(&mut samples, &meta.normalisation);
        let date: Tensor<4> = Batch::new(&samples, device).dates.swap_remove(0);
        let field = ReceptiveField::of(model.encoder(), date);
        match &mut sum {
            Some(sum) => sum.energy.iter_mut().zip(&field.energy).for_each(|(sum, energy)| *sum += energy),
            None => sum = Some(field),
        }
        progress.advance("");
    }
    progress.finish();
    let mut mean = sum.ok_or_else(|| anyhow::anyhow!("there is no crop of this size; choose another --size"))?;
    mean.energy.iter_mut().for_each(|energy| *energy /= taken as f64);
    Ok((mean, taken))
}

/// Side by side.
fn panels(fields: &[ReceptiveField]) -> RgbImage {
    let (height, width) = fields.first().map_or((1, 1), |field| (field.height as u32, field.width as u32));
    let mut sheet = RgbImage::from_pixel(fields.len() as u32 * (width + GAP) - GAP, height, Rgb([128; 3]));
    for (index, field) in (0..).zip(fields) {
        let most = field.energy.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let panel = RgbImage::from_fn(width, height, |x, y| {
            heat(1.0 + (field.energy[(y * width + x) as usize] / most).log10() / DECADES)
        });
        image::imageops::replace(&mut sheet, &panel, index * i64::from(width + GAP), 0);
    }
    sheet
}

/// From black at 0 over red and yellow to white at 1.
fn heat(value: f64) -> Rgb<u8> {
    Rgb([0.0, 1.0, 2.0].map(|from| ((3.0 * value - from) * 255.0).clamp(0.0, 255.0) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_rise_and_panels_stand_side_by_side() {
        assert_eq!(
            [f64::NEG_INFINITY, 0.0, 1.0 / 3.0, 1.0].map(|value| heat(value).0),
            [[0; 3], [0; 3], [255, 0, 0], [255; 3]]
        );
        let field = ReceptiveField { height: 1, width: 2, energy: vec![1.0, 1e-9] };
        let sheet = panels(&[field.clone(), field]);
        assert_eq!(sheet.dimensions(), (2 * 2 + GAP, 1));
        assert_eq!((sheet.get_pixel(0, 0).0, sheet.get_pixel(1, 0).0), ([255; 3], [0; 3]));
        assert_eq!(sheet.get_pixel(2 + GAP, 0).0, [255; 3]);
    }
}
