use burn_rsmamba_datasets::demo::{DemoOptions, scenes};
use burn_rsmamba_datasets::{CropOptions, Crops, Dates, LoadedScene, Pixels, Split, baselines};

fn load(dates: Dates, split: Split, options: &DemoOptions) -> Vec<LoadedScene> {
    scenes(dates, split, options).scenes.iter().map(|scene| scene.load().unwrap()).collect()
}

fn bytes(scene: &LoadedScene) -> Vec<u8> {
    let pixels = scene.images.iter().flat_map(|image| match &image.pixels {
        Pixels::U8(values) => values.clone(),
        other => panic!("{other:?} instead of bytes"),
    });
    pixels.chain(scene.label.as_ref().unwrap().data.clone()).collect()
}

/// FNV-1a: a checksum whose value this file can hold.
fn checksum(scenes: &[LoadedScene]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    scenes.iter().flat_map(bytes).fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn pixels_are_the_same_on_every_machine() {
    let options = DemoOptions { test: 2, size: 96, ..DemoOptions::default() };
    let found = [Dates::One, Dates::Two].map(|dates| checksum(&load(dates, Split::Test, &options)));
    assert_eq!(found, [0x4851_a088_83c0_b97c, 0xc8d8_a38d_6883_83fb], "{found:#018x?}");
}

#[test]
fn splits_tasks_and_seeds_share_no_scene() {
    let options = DemoOptions { train: 2, val: 2, test: 2, size: 64, ..DemoOptions::default() };
    let other = DemoOptions { seed: 43, ..options };
    let mut labels = Vec::new();
    for options in [&options, &other] {
        for dates in [Dates::One, Dates::Two] {
            for split in Split::ALL {
                labels.extend(load(dates, split, options).iter().map(|scene| bytes(scene)[..4096].to_vec()));
            }
        }
    }
    assert_eq!(labels.len(), 24);
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 24);
}

#[test]
fn sizes_counts_and_shares_are_as_asked() {
    let options = DemoOptions::default();
    for (dates, low, high) in [(Dates::One, 0.12, 0.25), (Dates::Two, 0.08, 0.15)] {
        let scenes = load(dates, Split::Test, &options);
        assert_eq!(scenes.len(), options.test);
        let labels = scenes.iter().map(|scene| scene.label.as_ref().unwrap());
        let share = labels.flat_map(|label| &label.data).map(|&value| f64::from(value)).sum::<f64>()
            / (scenes.len() * options.size * options.size) as f64;
        assert!((low..high).contains(&share), "{dates}: {share}");
        for scene in &scenes {
            assert!(scene.images.iter().all(|image| (image.width, image.height, image.bands) == (192, 192, 3)));
            assert_eq!(scene.images.len(), dates.count());
        }
    }
}

#[test]
fn no_threshold_solves_the_demo() {
    for seed in [42, 7] {
        for dates in [Dates::One, Dates::Two] {
            let options = DemoOptions { seed, ..DemoOptions::default() };
            let crops = Crops::new(&scenes(dates, Split::Test, &options), CropOptions::default()).unwrap();
            let best = &baselines::measure(&crops).unwrap()[0];
            assert!(best.f1 > 0.15 && best.f1 <= 0.5, "{dates}, seed {seed}: {best:?}");
        }
    }
}
