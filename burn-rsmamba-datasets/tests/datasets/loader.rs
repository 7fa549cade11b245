use std::path::Path;

use burn_dataset::Dataset;
use burn_rsmamba_datasets::{
    CropOptions, Crops, Dates, Draw, Edge, Loader, LoaderOptions, Sample, Sampler, Split, Storage, jitter, open,
};
use image::{GrayImage, Luma};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::support::{at, folder, numbered, pattern, scene, scene_set};

const OPTIONS: CropOptions = CropOptions { size: 32, overlap: 0, edge: Edge::Shift, downsample: 1, skip_blank: false };

/// Three pairs of files in LEVIR's layout, target in one corner of each.
fn files(root: &tempfile::TempDir) {
    for name in ["a", "b", "c"] {
        for (date, side) in [("A", 80), ("B", 80)] {
            let mut image = pattern(side, 70);
            image.put_pixel(0, 0, image::Rgb([name.as_bytes()[0], date.as_bytes()[0], 7]));
            image.save(at(root, &format!("train/{date}/{name}.png"))).unwrap();
        }
        let label = GrayImage::from_fn(80, 70, |x, y| Luma([if x < 20 && y < 20 { 255 } else { 0 }]));
        label.save(at(root, &format!("train/label/{name}.png"))).unwrap();
    }
}

fn crops(root: &Path, options: CropOptions, storage: Storage) -> Crops {
    Crops::with_storage(&open(root, Dates::Two, Split::Train).unwrap(), options, storage).unwrap()
}

fn taken(crops: &Crops, draw: Draw, options: LoaderOptions, epoch: usize, step: usize) -> Vec<Vec<Sample>> {
    let loader = Loader::new(crops, Sampler::new(crops, draw), options);
    loader.batches(epoch, step, |samples| samples).collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_are_the_same_for_any_workers_and_storage_and_from_any_step() {
    let root = folder();
    files(&root);
    let everything = LoaderOptions { batch: 4, flips: true, jitter: 0.2, shift: true, ..LoaderOptions::default() };
    let draw = Draw::Balanced { positive: 0.5 };
    let cached = Storage { folder: Some(root.path().join("cache")), ..Storage::default() };
    let storages = [Storage::default(), Storage { memory: 0, folder: None }, cached];
    let expected = taken(&crops(root.path(), OPTIONS, Storage::default()), draw, everything, 3, 0);
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 4, 3]);
    for storage in storages {
        let crops = crops(root.path(), OPTIONS, storage.clone());
        for (workers, ahead) in [(0, 0), (1, 1), (2, 4), (5, 2)] {
            let options = LoaderOptions { workers, ahead, ..everything };
            for step in [0, 1, 6, 7, 9] {
                let found = taken(&crops, draw, options, 3, step);
                assert!(found == expected[step.min(7)..], "{storage:?}, {workers} workers, step {step}");
            }
        }
        assert!(taken(&crops, draw, everything, 4, 0) != expected, "another epoch");
        assert!(taken(&crops, draw, LoaderOptions { seed: 1, ..everything }, 3, 0) != expected, "another seed");
    }
}

#[test]
fn nothing_random_is_asked_for_then_crops_come_as_they_are() {
    let root = folder();
    files(&root);
    let crops = crops(root.path(), OPTIONS, Storage::default());
    let found: Vec<Sample> =
        taken(&crops, Draw::InOrder, LoaderOptions::default(), 1, 0).into_iter().flatten().collect();
    let expected: Vec<Sample> = crops.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(found, expected);
    assert_eq!(crops.get(0).unwrap().images[1][0].to_bits(), (97.0_f32 / 255.0).to_bits());
    let loader = Loader::new(&crops, Sampler::new(&crops, Draw::InOrder), LoaderOptions::default());
    let part = loader.slice(3..6);
    let part: Vec<Sample> = part.batches(1, 0, |samples| samples).flat_map(Result::unwrap).collect();
    assert_eq!((part.len(), &part[..]), (3, &expected[3..6]));
}

#[test]
fn a_balanced_epoch_shows_what_it_promises() {
    let root = folder();
    files(&root);
    let crops = crops(root.path(), OPTIONS, Storage::default());
    let marked = (0..crops.len()).filter(|&index| crops.is_marked(index)).count();
    assert_eq!((crops.len(), marked), (27, 3));
    let batches = taken(&crops, Draw::Balanced { positive: 0.5 }, LoaderOptions::default(), 1, 0);
    let found = batches.iter().flatten().filter(|sample| sample.label.contains(&1)).count();
    assert_eq!(found, 14);
}

#[test]
fn moved_crops_stay_inside_and_move() {
    let set =
        scene_set(vec![scene("one", numbered(100, 90), vec![1; 9000]), scene("small", numbered(20, 20), vec![1; 400])]);
    let crops = Crops::new(&set, OPTIONS).unwrap();
    let options = LoaderOptions { shift: true, ..LoaderOptions::default() };
    let mut moved = 0;
    for epoch in 1..20 {
        let epoch_samples = taken(&crops, Draw::InOrder, options, epoch, 0);
        for (index, sample) in epoch_samples.iter().flatten().enumerate() {
            let still = crops.get(index).unwrap();
            moved += usize::from((sample.y, sample.x) != (still.y, still.x));
            assert!(sample.y.abs_diff(still.y) <= 16 && sample.x.abs_diff(still.x) <= 16);
            if sample.name == "small" {
                assert_eq!((sample.y, sample.x, sample.counted.indices(32).count()), (0, 0, 400));
            } else {
                assert!(sample.y <= 58 && sample.x <= 68);
                let first = sample.y * 100 + sample.x + 1;
                assert!((sample.images[0][0] - first as f32 / 65_535.0).abs() < 1e-7);
            }
        }
    }
    assert!(moved > 150, "{moved}");
}

#[test]
fn decoded_pixels_are_made_anew_when_an_image_changed() {
    let root = folder();
    files(&root);
    let storage = Storage { folder: Some(root.path().join("cache")), ..Storage::default() };
    let first = |storage: &Storage| crops(root.path(), OPTIONS, storage.clone()).get(0).unwrap();
    let before = first(&storage);
    let cached = || std::fs::read_dir(root.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(cached().count(), 9);

    // what is there is used: a changed byte shows
    let of_a = cached().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("a-")).unwrap();
    let whole = std::fs::read(&of_a).unwrap();
    let mut changed = whole.clone();
    changed[80..].fill(200);
    std::fs::write(&of_a, &changed).unwrap();
    let is_label = whole.len() < 3 * 80 * 70;
    let result = Crops::with_storage(&open(root.path(), Dates::Two, Split::Train).unwrap(), OPTIONS, storage.clone());
    assert!(if is_label { result.is_err() } else { result.unwrap().get(0).unwrap() != before });

    // a file that is cut off, or of an image that changed, is not
    std::fs::write(&of_a, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(first(&storage), before);
    assert_eq!(std::fs::read(&of_a).unwrap(), whole);
    let image = root.path().join("train/A/a.png");
    let mut picture = image::open(&image).unwrap().to_rgb8();
    picture.put_pixel(1, 0, image::Rgb([1, 2, 3]));
    picture.save(&image).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().append(true).open(&image).unwrap().set_modified(later).unwrap();
    let after = first(&storage);
    assert_eq!((after.images[0][1], after.images[1][1]), (1.0 / 255.0, before.images[1][1]));
    assert_eq!(cached().count(), 9, "the old file is replaced");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let root = folder();
    files(&root);
    let file = at(&root, "taken");
    std::fs::write(&file, "").unwrap();
    let storage = Storage { folder: Some(file.clone()), ..Storage::default() };
    let result = Crops::with_storage(&open(root.path(), Dates::Two, Split::Train).unwrap(), OPTIONS, storage);
    let message = result.unwrap_err().to_string();
    assert!(message.contains(&file.display().to_string()) && message.contains("; "), "{message}");
}

#[test]
fn downsampling_takes_means_of_images_and_the_nearest_label() {
    let raster = numbered(70, 66);
    // the middle of a square of 2 is its last pixel
    let label: Vec<u8> = (0..66 * 70).map(|index| u8::from(index / 70 % 2 == 1 && index % 70 % 2 == 1)).collect();
    let set = scene_set(vec![scene("one", raster, label)]);
    let crops = Crops::new(&set, CropOptions { downsample: 2, ..OPTIONS }).unwrap();
    let sample = crops.get(0).unwrap();
    assert_eq!((crops.len(), sample.y, sample.x), (4, 0, 0));
    assert_eq!(sample.label, vec![1; 32 * 32]);
    for (row, column) in [(0, 0), (3, 5), (31, 31)] {
        let corner = (2 * row * 70 + 2 * column + 1) as f32;
        // the mean of four values, rounded as integers are
        let mean = (corner + (corner + 1.0) + (corner + 70.0) + (corner + 71.0)) / 4.0;
        let found = sample.images[0][row * 32 + column] * 65_535.0;
        assert!((found - mean.round()).abs() < 0.01, "{found} {mean}");
    }
    assert_eq!(crops.scene(0).unwrap().images[0].width, 35);
    for ratio in [0, 67] {
        let error = Crops::new(&set, CropOptions { downsample: ratio, ..OPTIONS }).unwrap_err().to_string();
        assert!(error.contains("one") && error.contains(&ratio.to_string()), "{error}");
    }
}

#[test]
fn crops_follow_the_edge_of_their_grid() {
    let set = scene_set(vec![scene("one", numbered(40, 40), vec![1; 1600])]);
    let padded = Crops::new(&set, CropOptions { edge: Edge::Pad, ..OPTIONS }).unwrap();
    let corner = padded.get(3).unwrap();
    assert_eq!((padded.len(), corner.y, corner.x, corner.counted.indices(32).count()), (4, 32, 32, 64));
    assert_eq!(corner.images[0][31].to_bits(), corner.images[0][7].to_bits(), "the last column repeats");
    assert_eq!(Crops::new(&set, CropOptions { edge: Edge::Drop, ..OPTIONS }).unwrap().len(), 1);
    let error = Crops::new(&set, CropOptions { size: 64, edge: Edge::Drop, ..OPTIONS }).unwrap_err().to_string();
    assert!(error.contains("64") && error.contains("; "), "{error}");
}

#[test]
fn jitter_moves_light_within_its_strength_and_leaves_the_label() {
    let set = scene_set(vec![scene("one", numbered(32, 32), vec![1; 1024])]);
    let before = Crops::new(&set, OPTIONS).unwrap().get(0).unwrap();
    let mut different = 0;
    for number in 0..50 {
        let mut after = before.clone();
        jitter(&mut after, 0.2, &mut ChaCha8Rng::seed_from_u64(number));
        assert_eq!(after.label, before.label);
        let (a, b) = (&before.images[0], &after.images[0]);
        // one line for all values of a date
        let slope = (b[1023] - b[0]) / (a[1023] - a[0]);
        assert!((0.79..1.21).contains(&slope), "{slope}");
        let mean = |values: &[f32]| values.iter().sum::<f32>() / 1024.0;
        assert!((mean(b) - mean(a)).abs() <= 0.301, "{}", mean(b));
        different += usize::from((mean(b) - mean(a)).abs() > 0.01);
        let mut none = before.clone();
        jitter(&mut none, 0.0, &mut ChaCha8Rng::seed_from_u64(number));
        assert!(none.images[0].iter().zip(a).all(|(x, y)| (x - y).abs() < 1e-6));
    }
    assert!(different > 40);
}

#[test]
fn a_file_that_vanishes_is_an_error_of_its_batch() {
    let root = folder();
    files(&root);
    let crops = crops(root.path(), OPTIONS, Storage { memory: 0, folder: None });
    std::fs::remove_file(root.path().join("train/B/b.png")).unwrap();
    let loader = Loader::new(&crops, Sampler::new(&crops, Draw::InOrder), LoaderOptions::default());
    let results: Vec<bool> = loader.batches(1, 0, |_| ()).map(|batch| batch.is_ok()).collect();
    assert!(results[..4].iter().all(|&ok| ok) && !results[5] && results[9], "{results:?}");
}
