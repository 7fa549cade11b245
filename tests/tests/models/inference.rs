//! Images and scenes by windows, from any row on, with test-time augmentation.

use burn::{
    Tensor,
    module::{Module, ModuleMapper, Param},
    tensor::{
        Device, TensorData,
        activation::{sigmoid, softmax},
    },
};
use burn_rsmamba::{
    ModelConfig, ModelMeta, RsmModel, Task,
    inference::{Area, Blend, ImageView, InferenceError, Patch, Predictor, SceneSize, SceneSource, Step, Windows},
    weights::Normalisation,
};
use burn_rsmamba_datasets::{CoregisteredFiles, GeoTiff};
use burn_rsmamba_tests::{
    compare::{Failures, values},
    device, flex,
};

use super::shapes::smallest;
use std::{error::Error, fs::File};

/// A model with what its file would say; values go into it as they are.
fn subject(task: Task, device: Device) -> (RsmModel, ModelMeta, Device) {
    let mut meta = ModelMeta::new(smallest(task), "a test");
    meta.normalisation = Normalisation { mean: vec![0.0; 3], std: vec![1.0; 3] };
    (meta.config.init_seeded(7, &device), meta, device)
}

fn picture(height: usize, width: usize, step: usize) -> Vec<f32> {
    (0..3 * height * width).map(|i| (i * step % 97) as f32 / 97.0).collect()
}

fn view(data: &[f32], height: usize, width: usize) -> ImageView<'_> {
    ImageView { bands: 3, height, width, data }
}

#[test]
fn windows_cover_any_size_and_agree_with_the_model() {
    let (model, meta, device) = subject(Task::Ss, device());
    let (height, width) = (50, 81);
    let data = picture(height, width, 1);
    let view = view(&data, height, width);
    let predict = |windows, dates: &[ImageView<'_>]| {
        Predictor { windows, ..Predictor::new(&model, &meta, &device) }.predict(dates)
    };
    let whole = predict(Windows::WHOLE, &[view]).expect("fits");
    let image = Tensor::<4>::from_data(TensorData::new(data.clone(), [1, 3, height, width]), &device);
    let mut failures = Failures::default();
    failures.absolute("whole image", &whole, &values(sigmoid(model.forward(&[image]))), 1e-6);

    let windows = Windows { size: Some(32), overlap: 8, blend: Blend::Cosine };
    let tiled = predict(windows, &[view]).expect("fits");
    assert_eq!(tiled.len(), height * width);
    assert!(tiled.iter().all(|p| (0.0..=1.0).contains(p)));
    let large = Windows { size: Some(512), overlap: 8, blend: Blend::Cosine };
    failures.absolute("a window larger than the image", &predict(large, &[view]).expect("fits"), &whole, 1e-6);
    failures.finish();

    let error = predict(windows, &[view, view]).expect_err("two dates");
    assert_eq!(error, InferenceError::Dates { task: Task::Ss, expected: 1, actual: 2 });
    let bad = Windows { size: Some(32), overlap: 32, blend: Blend::None };
    assert!(matches!(predict(bad, &[view]), Err(InferenceError::Window { size: 32, overlap: 32 })));
}

#[test]
fn of_several_classes_every_one_is_mapped() {
    let device = device();
    let mut meta = ModelMeta::new(ModelConfig { classes: 3, ..smallest(Task::Ss) }, "a test");
    meta.normalisation = Normalisation { mean: vec![0.0; 3], std: vec![1.0; 3] };
    let model = meta.config.init_seeded(7, &device);
    // More rows than are handed out at a time.
    let (height, width) = (150, 40);
    let data = picture(height, width, 1);
    let predict = |windows| {
        let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
        predictor.predict(&[view(&data, height, width)]).expect("fits")
    };
    let image = Tensor::<4>::from_data(TensorData::new(data.clone(), [1, 3, height, width]), &device);
    let mut failures = Failures::default();
    let expected = values(softmax(model.forward(&[image]), 1));
    failures.absolute("whole image", &predict(Windows::WHOLE), &expected, 1e-6);
    let (size, overlap, blend) = (Some(96), 24, Blend::Cosine);
    let windows = predict(Windows { size, overlap, blend });
    let pixels = height * width;
    let sums: Vec<f32> = (0..pixels).map(|at| (0..3).map(|class| windows[class * pixels + at]).sum()).collect();
    failures.absolute("sums of the classes", &sums, &vec![1.0; pixels], 1e-5);
    // The first window alone says what stands above the second.
    let rows: Vec<f32> =
        (0..3 * 96).flat_map(|row| &data[(row / 96 * height + row % 96) * width..][..width]).copied().collect();
    let first = Tensor::<4>::from_data(TensorData::new(rows, [1, 3, 96, width]), &device);
    let first = values(softmax(model.forward(&[first]), 1));
    let own = 54 * width;
    for class in 0..3 {
        let (found, expected) = (&windows[class * pixels..][..own], &first[class * 96 * width..][..own]);
        failures.absolute(&format!("class {class} of the first window"), found, expected, 1e-6);
    }
    failures.finish();
}

#[test]
fn a_map_from_any_row_on_is_the_rest_of_the_whole_map() {
    let (model, meta, device) = subject(Task::Ss, flex());
    let (height, width) = (150, 40);
    let data = picture(height, width, 3);
    let dates = [view(&data, height, width)];
    // Overlaps of more than half a window reach into the window after the next.
    for overlap in [0, 8, 21] {
        let windows = Windows { size: Some(32), overlap, blend: Blend::Cosine };
        let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
        let whole = predictor.predict(&dates).expect("fits");
        for first in [0, 1, 24, 63, 100, 149, 150] {
            let (mut rest, mut last) = (Vec::new(), None);
            predictor
                .map_from(first, &dates[..], |step| {
                    match step {
                        Step::Rows { top, values, .. } => {
                            assert_eq!(top, first + rest.len() / width, "rows come in order");
                            rest.extend_from_slice(values);
                        }
                        Step::Window { done, count } => last = Some((done, count)),
                    }
                    Ok(())
                })
                .expect("fits");
            assert!(rest == whole[first * width..], "overlap {overlap}, from row {first}");
            assert_eq!(last.is_none(), first == height, "every window is told of");
            assert!(last.is_none_or(|(done, count)| done == count));
        }
    }
}

#[test]
fn mapping_ends_with_the_first_error() {
    let (model, meta, device) = subject(Task::Ss, flex());
    let (height, width) = (400, 40);
    let data = picture(height, width, 3);
    let windows = Windows { size: Some(32), overlap: 0, blend: Blend::None };
    let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
    let error = InferenceError::Bands { expected: 1, actual: 2 };
    let dates = [view(&data, height, width)];
    let mapped = predictor.map(&dates[..], |_| Err(error.clone()));
    assert_eq!(mapped, Err(error));
}

/// Two dates of one picture, each with pixels of its own without data.
struct Holes<'a>(&'a [f32], usize, usize);

impl Holes<'_> {
    fn is_hole(date: usize, row: usize, column: usize) -> bool {
        if date == 0 { row % 17 == 3 } else { (row, column) == (70, 20) }
    }
}

impl SceneSource for Holes<'_> {
    type Error = InferenceError;

    fn size(&self) -> SceneSize {
        SceneSize { bands: 3, height: self.1, width: self.2 }
    }

    fn read(&mut self, date: usize, area: Area) -> Result<Patch, InferenceError> {
        let view = view(self.0, self.1, self.2);
        let values = (&[view][..]).read(0, area)?.values;
        let pixels = (0..area.height * area.width).map(|i| (area.top + i / area.width, area.left + i % area.width));
        Ok(Patch { values, nodata: pixels.map(|(row, column)| Self::is_hole(date, row, column)).collect() })
    }
}

#[test]
fn pixels_without_data_at_any_date_are_told_with_their_rows() {
    let (model, meta, device) = subject(Task::Cd, flex());
    let (height, width) = (150, 40);
    let data = picture(height, width, 3);
    for (overlap, first) in [(0, 0), (8, 0), (21, 75)] {
        let windows = Windows { size: Some(32), overlap, blend: Blend::Cosine };
        let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
        let mut told = Vec::new();
        predictor
            .map_from(first, Holes(&data, height, width), |step| {
                if let Step::Rows { values, nodata, .. } = step {
                    assert_eq!(values.len(), nodata.len());
                    told.extend_from_slice(nodata);
                }
                Ok(())
            })
            .expect("fits");
        let rows = (first..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let expected: Vec<bool> =
            rows.map(|(row, column)| (0..2).any(|date| Holes::is_hole(date, row, column))).collect();
        assert!(told == expected, "overlap {overlap}, from row {first}");
    }
}

/// Makes every weight infinite.
struct Broken;

impl ModuleMapper for Broken {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| weight.full_like(f32::INFINITY))
    }
}

#[test]
fn what_is_no_number_is_refused_with_its_window() {
    let (model, meta, device) = subject(Task::Ss, device());
    let (height, width) = (80, 70);
    let windows = Windows { size: Some(32), overlap: 0, blend: Blend::None };
    let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
    for none in [f32::NAN, f32::INFINITY] {
        let mut data = picture(height, width, 1);
        data[height * width + 40 * width + 65] = none;
        let found = predictor.predict(&[view(&data, height, width)]);
        assert_eq!(found, Err(InferenceError::NotFinite { top: 32, left: 38, input: true }), "{none}");
    }
    // weights that make no numbers
    let data = picture(height, width, 1);
    let broken = model.clone().map(&mut Broken);
    let found = Predictor { model: &broken, ..predictor }.predict(&[view(&data, height, width)]);
    assert_eq!(found.err(), Some(InferenceError::NotFinite { top: 0, left: 0, input: false }));
    let message = InferenceError::NotFinite { top: 32, left: 38, input: true }.to_string();
    assert!(message.starts_with("the values of the window at row 32, column 38 are not all finite"), "{message}");
}

#[test]
fn a_patch_of_another_size_is_refused() {
    struct Short;
    impl SceneSource for Short {
        type Error = InferenceError;

        fn size(&self) -> SceneSize {
            SceneSize { bands: 3, height: 40, width: 40 }
        }

        fn read(&mut self, _: usize, _: Area) -> Result<Patch, InferenceError> {
            Ok(vec![0.0; 3].into())
        }
    }
    let (model, meta, device) = subject(Task::Ss, device());
    let found = Predictor::new(&model, &meta, &device).map(Short, |_| Ok(()));
    assert_eq!(found, Err(InferenceError::Values { bands: 3, height: 40, width: 40, actual: 3 }));
}

#[test]
fn augmentation_is_the_mean_of_eight_turns_and_two_orders() {
    for task in [Task::Ss, Task::Cd] {
        let (model, meta, device) = subject(task, device());
        let (height, width) = (40, 64);
        let pictures: Vec<Vec<f32>> = (1..=task.dates()).map(|step| picture(height, width, step)).collect();
        let dates: Vec<_> = pictures.iter().map(|data| view(data, height, width)).collect();
        let augmented =
            Predictor { windows: Windows::WHOLE, augmented: true, ..Predictor::new(&model, &meta, &device) };
        let actual = augmented.predict(&dates).expect("fits");

        // by loops over pixels
        let mut expected = vec![0.0; height * width];
        let mut passes = 0.0;
        for reversed in 0..task.dates() {
            for (flip_rows, flip_columns, transpose) in (0..8).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0)) {
                let (h, w) = if transpose { (width, height) } else { (height, width) };
                let place = |row: usize, column: usize| {
                    let (row, column) = if transpose { (column, row) } else { (row, column) };
                    let row = if flip_rows { height - 1 - row } else { row };
                    let column = if flip_columns { width - 1 - column } else { column };
                    row * width + column
                };
                let pixels: Vec<usize> =
                    (0..h).flat_map(|row| (0..w).map(move |c| (row, c))).map(|(r, c)| place(r, c)).collect();
                let mut turned: Vec<Tensor<4>> = pictures
                    .iter()
                    .map(|data| {
                        let values: Vec<f32> = data
                            .chunks_exact(height * width)
                            .flat_map(|plane| pixels.iter().map(|&p| plane[p]))
                            .collect();
                        Tensor::from_data(TensorData::new(values, [1, 3, h, w]), &device)
                    })
                    .collect();
                if reversed == 1 {
                    turned.reverse();
                }
                for (&pixel, value) in pixels.iter().zip(values(sigmoid(model.forward(&turned)))) {
                    expected[pixel] += value;
                }
                passes += 1.0;
            }
        }
        for sum in &mut expected {
            *sum /= passes;
        }
        let mut failures = Failures::default();
        failures.absolute(&format!("{task}"), &actual, &expected, 1e-5);
        failures.finish();
        let plain = Predictor { augmented: false, ..augmented }.predict(&dates).expect("fits");
        assert!(plain.iter().zip(&actual).any(|(a, b)| (a - b).abs() > 1e-4), "{task}: it does something");
    }
}

#[test]
fn a_scene_of_constant_colour_gives_a_map_without_a_grid() {
    let (model, meta, device) = subject(Task::Ss, flex());
    let (side, rim) = (300, 48);
    let data: Vec<f32> = (0..3 * side * side).map(|index| [0.4, 0.5, 0.3][index / (side * side)]).collect();
    // The largest step between neighbours, beside the border of the scene, where a whole image has one too.
    let step = |windows| {
        let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
        let map = predictor.predict(&[view(&data, side, side)]).expect("fits");
        let inner = || (rim..side - rim).flat_map(|row| (rim..side - rim).map(move |column| row * side + column));
        inner().map(|at| (map[at] - map[at + 1]).abs().max((map[at] - map[at + side]).abs())).fold(0.0, f32::max)
    };
    let default = step(Windows::for_crop(128));
    let plain = step(Windows { size: Some(128), overlap: 0, blend: Blend::None });
    assert!(plain > 1e-4, "windows side by side show: {plain}");
    assert!(default < 0.02 * plain, "the default does not: {default} of {plain}");
}

/// What CubeCL fuses of it was wrong for logits of one channel that are a permuted view.
#[test]
fn logits_go_into_chains_of_elementwise_operations() {
    let (height, width) = (40, 64);
    let on = |task: Task, device: Device| {
        let (model, _, device) = subject(task, device);
        let tensor = |bands, step| {
            let data = picture(height, width, step)[..bands * height * width].to_vec();
            Tensor::<4>::from_data(TensorData::new(data, [1, bands, height, width]), &device)
        };
        let dates: Vec<_> = (1..=task.dates()).map(|step| tensor(3, step)).collect();
        values(tensor(1, 5) + sigmoid(model.forward(&dates)))
    };
    let mut failures = Failures::default();
    for task in [Task::Ss, Task::Cd] {
        failures.absolute(&format!("{task}"), &on(task, device()), &on(task, flex()), 1e-5);
    }
    failures.finish();
}

/// A file as a source, which is there afterwards.
struct Place<'a>(&'a mut CoregisteredFiles);

impl SceneSource for Place<'_> {
    type Error = Box<dyn Error + Send + Sync>;

    fn size(&self) -> SceneSize {
        SceneSize { bands: self.0.bands(), height: self.0.height(), width: self.0.width() }
    }

    fn read(&mut self, date: usize, Area { top, left, height, width }: Area) -> Result<Patch, Self::Error> {
        let (raster, nodata) = self.0.window(date, top, left, height, width)?;
        Ok(Patch { values: raster.to_chw_f32(), nodata })
    }
}

#[test]
fn a_tiled_scene_is_mapped_with_every_block_decoded_once() {
    let (_, mut meta, device) = subject(Task::Ss, flex());
    meta.config.encoder.bands = 1;
    meta.normalisation = Normalisation { mean: vec![0.0], std: vec![1.0] };
    let model = meta.config.init_seeded(7, &device);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scene.tif");
    let (height, width) = (600, 530);
    let geotiff = GeoTiff { width, height, georeference: None, nodata: None };
    let rows = |top: usize, count: usize| {
        let pixels = top * width..(top + count) * width;
        Ok::<Vec<u8>, tiff::TiffError>(pixels.map(|pixel| (pixel * pixel / 7 % 251) as u8).collect())
    };
    geotiff.write(File::create(&path).expect("made"), rows).expect("written");
    for (size, overlap) in [(96, 24), (200, 120), (300, 10)] {
        let windows = Windows { size: Some(size), overlap, blend: Blend::Cosine };
        let predictor = Predictor { windows, ..Predictor::new(&model, &meta, &device) };
        let mut files = CoregisteredFiles::open(&[&path], None).expect("a scene");
        files.keep_rows(size);
        predictor.map(Place(&mut files), |_| Ok(())).expect("fits");
        assert_eq!(files.decoded_blocks(), 9, "windows of {size}");
    }
}
