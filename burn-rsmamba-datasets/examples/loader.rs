//! Crops a second that the loader gives, against the floor: decoding every file once on all cores.
//!
//! `cargo run --release -p burn-rsmamba-datasets --example loader -- DATA ss|cd [CROP]`
#![expect(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use burn_dataset::Dataset;
use burn_rsmamba_datasets::{
    CropOptions, Crops, Dates, Draw, Loader, LoaderOptions, Sampler, SceneSet, Split, Storage, open,
};
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("give the dataset folder")?;
    let dates = match arguments.next().as_deref() {
        Some("ss") => Dates::One,
        Some("cd") => Dates::Two,
        _ => return Err("give the task, ss or cd".into()),
    };
    let size = arguments.next().map_or(Ok(256), |size| size.parse())?;
    let set = open(Path::new(&root), dates, Split::Train)?;
    let options = CropOptions { size, ..CropOptions::default() };

    let began = Instant::now();
    set.scenes.par_iter().try_for_each(|scene| scene.load().map(drop))?;
    let floor = began.elapsed().as_secs_f64();
    let crops = Crops::new(&set, options)?.len();
    println!("{} scenes, {crops} crops of {size}; all files decoded once on all cores: {floor:.2} s", set.scenes.len());
    println!("floor {:.0} crops/s, if every decoded pixel goes into one crop", crops as f64 / floor);

    let folder = std::env::temp_dir().join(format!("loader-{}", std::process::id()));
    let storages = [
        ("in memory", Storage { memory: usize::MAX, folder: None }),
        ("decoded for each crop", Storage { memory: 0, folder: None }),
        ("decoded on disk", Storage { memory: 0, folder: Some(folder.clone()) }),
    ];
    for (name, storage) in storages {
        measure(name, &set, options, &storage)?;
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn measure(name: &str, set: &SceneSet, options: CropOptions, storage: &Storage) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let crops = Crops::with_storage(set, options, storage.clone())?;
    println!("{name}: first look {:.2} s", began.elapsed().as_secs_f64());
    let sampler = Sampler::new(&crops, Draw::Shuffled { keep_empty: 1.0 });
    for workers in [0, 1, 2] {
        let options = LoaderOptions { batch: 8, workers, flips: true, ..LoaderOptions::default() };
        let began = Instant::now();
        for batch in Loader::new(&crops, sampler.clone(), options).batches(1, 0, drop) {
            batch?;
        }
        println!("  {workers} workers: {:.0} crops/s", crops.len() as f64 / began.elapsed().as_secs_f64());
    }
    Ok(())
}
