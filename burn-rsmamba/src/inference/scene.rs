//! Scenes of any size, from top to bottom.

use super::{InferenceError, Windows};
use crate::{models::RsmModel, weights::Normalisation};
use burn::{
    Tensor,
    tensor::{Device, TensorData, activation::sigmoid},
};
use std::sync::mpsc::sync_channel;

/// Size of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneSize {
    /// Bands of every date.
    pub bands: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A rectangle of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Windows that are read ahead while the model works.
const AHEAD: usize = 2;

/// Maps a scene of any size in bounded memory: probabilities of the first class, from top to bottom.
///
/// `read(date, area)` gives the values of 0..1 of an area, `[bands, height, width]` row-major; it runs on a thread of its own, one
/// row of windows after the other, each from left to right. `write(top, rows)` takes finished rows, `rows.len() / width` of
/// them. At most one row of windows is held as floats.
///
/// The model should be an inference model ([`Module::valid`](burn::module::Module::valid)). Results do not depend on how rows
/// are handed out.
///
/// # Errors
///
/// [`InferenceError`] when scene, windows and model do not fit together, before anything is read; what `read` and `write`
/// return.
pub fn map_scene<E: From<InferenceError> + Send>(
    model: &RsmModel,
    size: SceneSize,
    normalisation: &Normalisation,
    windows: Windows,
    device: &Device,
    mut read: impl FnMut(usize, Area) -> Result<Vec<f32>, E> + Send,
    mut write: impl FnMut(usize, &[f32]) -> Result<(), E>,
) -> Result<(), E> {
    check(size, normalisation, windows)?;
    let (rows, columns) = (windows.axis(size.height), windows.axis(size.width));
    let area = |top, left| Area { top, left, height: rows.window, width: columns.window };
    let dates = model.task().dates();
    let (send, receive) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let (tops, lefts) = (&rows.starts, &columns.starts);
        scope.spawn(move || {
            for area in tops.iter().flat_map(|&top| lefts.iter().map(move |&left| area(top, left))) {
                let images: Result<Vec<_>, E> = (0..dates).map(|date| read(date, area)).collect();
                let failed = images.is_err();
                // Nobody listens any more where writing failed.
                if send.send(images).is_err() || failed {
                    return;
                }
            }
        });
        // Sums of the rows from the first unfinished one on.
        let mut sums = vec![0.0f32; rows.window * size.width];
        for (row, &top) in rows.starts.iter().enumerate() {
            for (column, &left) in columns.starts.iter().enumerate() {
                let images = receive.recv().expect("the reader sends every window")?;
                let probabilities = probabilities(model, images, size.bands, area(top, left), normalisation, device);
                let down = rows.weights(row).iter().zip(probabilities.chunks_exact(columns.window));
                for (line, (down, values)) in sums.chunks_exact_mut(size.width).zip(down) {
                    let across = line[left..].iter_mut().zip(columns.weights(column).iter().zip(values));
                    across.for_each(|(sum, (across, value))| *sum += down * across * value);
                }
            }
            let finished = rows.finished_by(row).len() * size.width;
            write(top, &sums[..finished])?;
            sums.copy_within(finished.., 0);
            let unfinished = sums.len() - finished;
            sums[unfinished..].fill(0.0);
        }
        Ok(())
    })
}

fn check(size: SceneSize, normalisation: &Normalisation, windows: Windows) -> Result<(), InferenceError> {
    let SceneSize { bands, height, width } = size;
    if bands != normalisation.mean.len() {
        return Err(InferenceError::Bands { expected: normalisation.mean.len(), actual: bands });
    }
    if height == 0 || width == 0 {
        return Err(InferenceError::Values { bands, height, width, actual: 0 });
    }
    match windows.size {
        Some(size) if size < 32 || size <= windows.overlap => {
            Err(InferenceError::Window { size, overlap: windows.overlap })
        }
        _ => Ok(()),
    }
}

/// What the model says of one window, row-major.
fn probabilities(
    model: &RsmModel,
    images: Vec<Vec<f32>>,
    bands: usize,
    area: Area,
    normalisation: &Normalisation,
    device: &Device,
) -> Vec<f32> {
    let inputs: Vec<_> = images
        .into_iter()
        .map(|mut values| {
            let planes = values.chunks_exact_mut(area.height * area.width);
            for (plane, (mean, std)) in planes.zip(normalisation.mean.iter().zip(&normalisation.std)) {
                for value in plane {
                    *value = (*value - mean) / std;
                }
            }
            Tensor::<4>::from_data(TensorData::new(values, [1, bands, area.height, area.width]), device)
        })
        .collect();
    let logits = model.forward(&inputs).narrow(1, 0, 1);
    sigmoid(logits).into_data().convert::<f32>().try_into_vec().expect("f32 probabilities")
}
