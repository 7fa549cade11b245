//! A model at work on scenes of any size, from top to bottom.

use super::turns::{TURNS, turn, turn_back};
use super::{Area, ImageView, InferenceError, Patch, SceneSize, SceneSource, Windows};
use crate::{
    models::RsmModel,
    weights::{ModelMeta, Normalisation},
};
use burn::{
    Tensor,
    tensor::{
        Bool, Device, TensorData,
        activation::{sigmoid, softmax},
    },
};
use std::{borrow::Cow, sync::mpsc::sync_channel};

/// Windows that are read ahead while the model works.
const AHEAD: usize = 2;
/// Rows that are handed out at a time: what is done with them should hold no more.
const ROWS: usize = 64;

/// A model with the way it is put to work on images and scenes.
#[derive(Debug, Clone, Copy)]
pub struct Predictor<'a> {
    /// The model, for inference ([`Module::valid`](burn::module::Module::valid)).
    pub model: &'a RsmModel,
    /// How its input is scaled.
    pub normalisation: &'a Normalisation,
    /// How scenes are cut.
    pub windows: Windows,
    /// Test-time augmentation: the mean probability of the eight flips and rotations of each window, of two dates also in
    /// reversed order where there is one class. It takes 8 or 16 times as long, and no more memory.
    pub augmented: bool,
    /// Where the model is.
    pub device: &'a Device,
}

/// How far a scene is mapped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a> {
    /// A window went through the model.
    Window {
        /// Windows that are done.
        done: usize,
        /// All windows of the rows that are mapped.
        count: usize,
    },
    /// Rows are finished, a few at a time.
    Rows {
        /// The first of them.
        top: usize,
        /// The probabilities of whole rows: of a model of one class row-major, of several classes one such part a class,
        /// `[classes, rows, width]`.
        values: &'a [f32],
        /// Which of their pixels have no data at one of the dates, `[rows, width]`; their probabilities mean nothing.
        nodata: &'a [bool],
    },
}

impl<'a> Predictor<'a> {
    /// A predictor with the defaults of the model's file.
    pub fn new(model: &'a RsmModel, meta: &'a ModelMeta, device: &'a Device) -> Self {
        Self { model, normalisation: &meta.normalisation, windows: meta.windows(), augmented: false, device }
    }

    /// Probabilities `[classes, height, width]`, row-major, from one image or two dates in memory: of one class where the model
    /// has one logit a pixel (sigmoid), else of all, which add up to 1 (softmax).
    ///
    /// # Errors
    ///
    /// [`InferenceError`] when images, windows and model do not fit together.
    pub fn predict(&self, dates: &[ImageView<'_>]) -> Result<Vec<f32>, InferenceError> {
        self.check_views(dates)?;
        let (pixels, width) = (dates[0].height * dates[0].width, dates[0].width);
        let classes = self.model.classes();
        let mut result = vec![0.0; classes * pixels];
        self.map(dates, |step| {
            if let Step::Rows { top, values, .. } = step {
                let rows = values.chunks_exact(values.len() / classes);
                for (class, rows) in result.chunks_exact_mut(pixels).zip(rows) {
                    class[top * width..][..rows.len()].copy_from_slice(rows);
                }
            }
            Ok(())
        })?;
        Ok(result)
    }

    /// The class of each pixel, from probabilities `[classes, pixels]` as [`predict`](Self::predict) and [`Step::Rows`] give them: of a model
    /// of one class 1 from `threshold` on and else 0, of several the likeliest, of equals the first.
    pub fn classes(&self, probabilities: &[f32], threshold: f32) -> Vec<u8> {
        let classes = self.model.classes();
        if classes == 1 {
            return probabilities.iter().map(|&value| u8::from(value >= threshold)).collect();
        }
        let pixels = probabilities.len() / classes;
        let mut likeliest = vec![(0, f32::NEG_INFINITY); pixels];
        for (class, values) in (0..=u8::MAX).zip(probabilities.chunks_exact(pixels.max(1))) {
            for (best, &value) in likeliest.iter_mut().zip(values) {
                if value > best.1 {
                    *best = (class, value);
                }
            }
        }
        likeliest.into_iter().map(|(class, _)| class).collect()
    }

    /// Maps a scene of any size in bounded memory: probabilities as of [`predict`](Self::predict), from top to bottom.
    ///
    /// The source is read on a thread of its own, one row of windows after the other, each from left to right, while the model
    /// works; `report` is called on this thread. At most one row of windows is held as floats. Results do not depend on how rows
    /// are handed out.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] when scene, windows and model do not fit together, before anything is read; when what is read or what the
    /// model makes of it is not finite ([`InferenceError::NotFinite`]), or what is read has another size than was asked for; what the
    /// source and `report` return.
    pub fn map<S: SceneSource>(
        &self,
        source: S,
        report: impl FnMut(Step<'_>) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        self.map_from(0, source, report)
    }

    /// [`map`](Self::map) of the rows from `first` on, to go on with a map that was interrupted: they are the same bits as in a map
    /// from the beginning, where the model repeats its results.
    ///
    /// Windows above that reach into these rows are run again.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    pub fn map_from<S: SceneSource>(
        &self,
        first: usize,
        mut source: S,
        mut report: impl FnMut(Step<'_>) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        let size = source.size();
        let (task, expected) = (self.model.task(), self.model.task().dates());
        if let Some(actual) = source.dates().filter(|&actual| actual != expected) {
            return Err(InferenceError::Dates { task, expected, actual }.into());
        }
        self.check_size(size)?;
        let (rows, columns) = (self.windows.axis(size.height), self.windows.axis(size.width));
        let skipped = rows.starts().partition_point(|start| start + rows.window() <= first);
        let area = |top, left| Area { top, left, height: rows.window(), width: columns.window() };
        let dates = expected;
        let (send, receive) = sync_channel(AHEAD);
        std::thread::scope(|scope| {
            // Gone when this ends, however it ends: a reader that waits for room would wait for ever.
            let receive = receive;
            let (tops, lefts) = (&rows.starts()[skipped..], columns.starts());
            scope.spawn(move || {
                for area in tops.iter().flat_map(|&top| lefts.iter().map(move |&left| area(top, left))) {
                    let images: Result<Vec<_>, _> = (0..dates).map(|date| source.read(date, area)).collect();
                    let failed = images.is_err();
                    // Nobody listens any more where reporting failed.
                    if send.send(images).is_err() || failed {
                        return;
                    }
                }
            });
            let (mut done, count) = (0, tops.len() * lefts.len());
            // Of each class, the sums of the rows from the first unfinished one on; and which of their pixels have no data.
            let plane = rows.window() * size.width;
            let mut sums = vec![0.0f32; self.model.classes() * plane];
            let mut nodata = vec![false; plane];
            for (row, &top) in rows.starts().iter().enumerate().skip(skipped) {
                for (column, &left) in columns.starts().iter().enumerate() {
                    let images = receive.recv().expect("the reader sends every window")?;
                    let mut blank = vec![false; rows.window() * columns.window()];
                    for image in &images {
                        // No date takes back what the other lacks.
                        blank.iter_mut().zip(&image.nodata).for_each(|(blank, here)| *blank |= here);
                    }
                    let lines = nodata.chunks_exact_mut(size.width).zip(blank.chunks_exact(columns.window()));
                    for (line, here) in lines {
                        line[left..].iter_mut().zip(here).for_each(|(nodata, here)| *nodata |= here);
                    }
                    // Of a window without any data nothing would be used.
                    let probabilities = if blank.contains(&false) {
                        self.window(images, size.bands, area(top, left))?
                    } else {
                        Vec::new()
                    };
                    let down = rows.weights(row).iter().cycle().zip(probabilities.chunks_exact(columns.window()));
                    for (line, (down, values)) in sums.chunks_exact_mut(size.width).zip(down) {
                        let across = line[left..].iter_mut().zip(columns.weights(column).iter().zip(values));
                        across.for_each(|(sum, (across, value))| *sum += down * across * value);
                    }
                    done += 1;
                    report(Step::Window { done, count })?;
                }
                let finished = rows.finished_by(row);
                let known = first.clamp(finished.start, finished.end);
                for top in (known..finished.end).step_by(ROWS) {
                    let end = finished.end.min(top + ROWS);
                    let part = (top - finished.start) * size.width..(end - finished.start) * size.width;
                    let nodata = &nodata[part.clone()];
                    let mut parts = sums.chunks_exact(plane).map(|plane| &plane[part.clone()]);
                    let values = if sums.len() == plane {
                        Cow::Borrowed(parts.next().expect("a class"))
                    } else {
                        parts.flatten().copied().collect()
                    };
                    report(Step::Rows { top, values: &values, nodata })?;
                }
                let finished = finished.len() * size.width;
                sums.chunks_exact_mut(plane).for_each(|plane| forget(plane, finished));
                forget(&mut nodata, finished);
            }
            Ok(())
        })
    }

    /// Memory that [`map`](Self::map) takes at most for a scene of this size, in bytes, beside the model at work and the source:
    /// windows that are read ahead, and one row of windows of probabilities.
    pub fn bytes(&self, size: SceneSize) -> u64 {
        let [window_height, window_width] =
            [size.height, size.width].map(|length| self.windows.size.map_or(length, |size| size.min(length)) as u64);
        let window = window_height * window_width;
        // Of each date floats and flags.
        let patch = window * (4 * size.bands as u64 + 1) * self.model.task().dates() as u64;
        // Those that wait, the one that is read, and the one that the model has.
        let patches = patch * (AHEAD as u64 + 2);
        let classes = self.model.classes() as u64;
        let sums = window_height * size.width as u64 * (4 * classes + 1);
        // What the model said of a window, and rows as they are handed out.
        patches + sums + 4 * classes * (window + ROWS as u64 * size.width as u64)
    }

    /// What the model says of one window, `[classes, height, width]`.
    fn window(&self, images: Vec<Patch>, bands: usize, area: Area) -> Result<Vec<f32>, InferenceError> {
        let Area { top, left, height, width } = area;
        let mut inputs = Vec::with_capacity(images.len());
        for Patch { mut values, nodata } in images {
            if values.len() != bands * height * width || ![0, height * width].contains(&nodata.len()) {
                return Err(InferenceError::Values { bands, height, width, actual: values.len() });
            }
            self.normalisation.apply(&mut values);
            // Checked here: an activation may make a number of what is none.
            if !values.iter().all(|value| value.is_finite()) {
                return Err(InferenceError::NotFinite { top, left, input: true });
            }
            let values = TensorData::new(values, [1, bands, height, width]);
            inputs.push(Tensor::<4>::from_data(values, self.device));
        }
        let (probabilities, finite) =
            if self.augmented { self.mean_of_turns(&mut inputs) } else { self.probabilities(&inputs) };
        let probabilities: Vec<f32> =
            probabilities.into_data().convert::<f32>().try_into_vec().expect("f32 probabilities");
        if !(finite.into_scalar::<bool>() && probabilities.iter().all(|value| value.is_finite())) {
            return Err(InferenceError::NotFinite { top, left, input: false });
        }
        Ok(probabilities)
    }

    /// The mean over all turns; of one class in either order of the dates, of several in theirs, which may tell the classes apart.
    fn mean_of_turns(&self, inputs: &mut [Tensor<4>]) -> (Tensor<4>, Tensor<1, Bool>) {
        let orders = if self.model.classes() == 1 { inputs.len() } else { 1 };
        let mut sum: Option<(Tensor<4>, Tensor<1, Bool>)> = None;
        for _ in 0..orders {
            for number in 0..TURNS {
                let turned: Vec<_> = inputs.iter().map(|input| turn(input.clone(), number)).collect();
                let (here, finite) = self.probabilities(&turned);
                let here = turn_back(here, number);
                sum = Some(match sum {
                    Some((sum, all)) => (sum + here, all.bool_and(finite)),
                    None => (here, finite),
                });
            }
            inputs.reverse();
        }
        let (sum, finite) = sum.expect("at least one date");
        (sum / (TURNS * orders) as f32, finite)
    }

    /// What the model says, and whether all its logits are finite: the sigmoid of some graphics drivers makes a number of what is none.
    fn probabilities(&self, inputs: &[Tensor<4>]) -> (Tensor<4>, Tensor<1, Bool>) {
        let logits = self.model.forward(inputs);
        let finite = logits.clone().is_finite().all();
        (if self.model.classes() == 1 { sigmoid(logits) } else { softmax(logits, 1) }, finite)
    }

    fn check_views(&self, dates: &[ImageView<'_>]) -> Result<(), InferenceError> {
        let task = self.model.task();
        if dates.len() != task.dates() {
            return Err(InferenceError::Dates { task, expected: task.dates(), actual: dates.len() });
        }
        let first = (dates[0].height, dates[0].width);
        for date in dates {
            let ImageView { bands, height, width, data } = *date;
            self.check_bands(bands)?;
            if (height, width) != first {
                return Err(InferenceError::Sizes { first, second: (height, width) });
            }
            if data.len() != bands * height * width {
                return Err(InferenceError::Values { bands, height, width, actual: data.len() });
            }
        }
        Ok(())
    }

    fn check_size(&self, size: SceneSize) -> Result<(), InferenceError> {
        let SceneSize { bands, height, width } = size;
        self.check_bands(bands)?;
        if height == 0 || width == 0 {
            return Err(InferenceError::Values { bands, height, width, actual: 0 });
        }
        self.windows.check()
    }

    fn check_bands(&self, actual: usize) -> Result<(), InferenceError> {
        let expected = self.normalisation.mean.len();
        if actual == expected { Ok(()) } else { Err(InferenceError::Bands { expected, actual }) }
    }
}

/// Moves a plane up by what is finished of it.
fn forget<T: Copy + Default>(plane: &mut [T], finished: usize) {
    plane.copy_within(finished.., 0);
    let unfinished = plane.len() - finished;
    plane[unfinished..].fill(T::default());
}
