//! The window that `--max-memory` allows.

use burn_rsmamba::inference::{ImageView, Predictor, SceneSize, Windows};
use burn_rsmamba_datasets::CoregisteredFiles;

use super::Job;
use crate::cli::PredictArgs;
use crate::device;
use crate::error::Failure;
use crate::mapping::Mapper;
use crate::memory::{self, PeakWatch};

/// Side of the window that memory is measured with.
const MEASURED: usize = 256;
/// Sides that are looked at: multiples of the model's step.
const STEP: usize = 32;
const LARGEST: usize = 8192;
/// Rows on their way to the files, and bytes a pixel that they take there.
const ROWS: usize = 512;
const ROW_BYTES: usize = 12;

/// The largest windows with which the process stays below `most` bytes at every place, by memory measured now.
///
/// # Errors
///
/// A usage error where not even a small window fits, or where memory cannot be measured.
pub(super) fn windows(most: u64, jobs: &[Job], mapper: &Mapper<'_>, args: &PredictArgs) -> Result<Windows, Failure> {
    if args.device != device::DEFAULT {
        return Err(Failure::usage("--max-memory knows the memory of the cpu only; give --window on a GPU"));
    }
    memory::give_back_freed_memory();
    let before = memory::resident();
    let Some((before, pixel)) = before.zip(bytes_per_pixel(mapper)?) else {
        return Err(Failure::usage("--max-memory: this system does not tell how much memory is taken; give --window"));
    };
    // Of every number of steps a side may have, what the place takes that takes most.
    let mut needs = vec![0; LARGEST / STEP];
    let mut longest = 0;
    // Files that cannot be opened are reported when they are mapped. One place at a time: some files are decoded when they are opened.
    for place in jobs.iter().filter_map(|job| CoregisteredFiles::open(&job.images, args.align).ok()) {
        longest = longest.max(place.height()).max(place.width());
        for (need, side) in needs.iter_mut().zip(sides()) {
            let predictor = Predictor { windows: mapper.windows.resized(side), ..mapper.predictor() };
            *need = bytes(&place, side, pixel, &predictor).max(*need);
        }
    }
    let longest = if longest == 0 { LARGEST } else { longest };
    let largest = longest.next_multiple_of(STEP).min(LARGEST);
    let fits = |(side, need): &(usize, &u64)| *side <= largest && before + **need <= most;
    match sides().zip(&needs).filter(fits).map(|(side, _)| side).last() {
        Some(side) => {
            let resized = mapper.windows.resized(side);
            let overlap = args.windows.overlap.unwrap_or(resized.overlap);
            if overlap >= side {
                return Err(Failure::usage(format!(
                    "--max-memory allows windows of {side} pixels, and --overlap {overlap} is no less; give less overlap or more memory"
                )));
            }
            Ok(Windows { overlap, ..resized })
        }
        None => Err(Failure::usage(format!(
            "--max-memory: windows of {} pixels already take {} MB ({:.0} bytes a pixel of the window); allow more",
            STEP,
            (before + needs[0]).div_ceil(1_000_000),
            pixel
        ))),
    }
}

fn sides() -> impl Iterator<Item = usize> {
    (1..=LARGEST / STEP).map(|steps| steps * STEP)
}

/// Memory above the loaded model with windows of this side, at a place.
fn bytes(place: &CoregisteredFiles, side: usize, pixel: f64, predictor: &Predictor<'_>) -> u64 {
    let size = SceneSize { bands: place.bands(), height: place.height(), width: place.width() };
    let (rows, columns) = (side.min(size.height), side.min(size.width));
    let model = ((rows * columns) as f64 * pixel) as u64;
    let written = ROWS.min(size.height) * size.width * predictor.model.classes() * ROW_BYTES;
    place.bytes_under(rows) + model + predictor.bytes(size) + written as u64
}

/// Peak memory of one pass of the model, a pixel of its window.
fn bytes_per_pixel(mapper: &Mapper<'_>) -> Result<Option<f64>, Failure> {
    let Some(watch) = PeakWatch::start() else { return Ok(None) };
    let bands = mapper.meta.config.encoder.bands;
    let data = vec![0.0; bands * MEASURED * MEASURED];
    let view = ImageView { bands, height: MEASURED, width: MEASURED, data: &data };
    let mut predictor = mapper.predictor();
    predictor.windows = Windows::WHOLE;
    predictor.predict(&vec![view; mapper.model.task().dates()])?;
    Ok(Some(watch.stop() as f64 / (MEASURED * MEASURED) as f64))
}
