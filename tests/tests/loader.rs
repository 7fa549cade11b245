//! Burn's `DataLoader` over crops: the same batches in every run, from any step on.

use std::sync::Arc;

use burn::Tensor;
use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::tensor::{Device, TensorData};
use burn_rsmamba_datasets::{
    CropOptions, Crops, Dates, Draw, Loader, LoaderOptions, Sample, Sampler, Split, TensorLoader, demo,
};

struct FirstDates;

impl Batcher<Sample, Tensor<4>> for FirstDates {
    fn batch(&self, items: Vec<Sample>, device: &Device) -> Tensor<4> {
        let shape = [items.len(), items[0].bands, items[0].height, items[0].width];
        let values: Vec<f32> = items.iter().flat_map(|sample| sample.images[0].iter().copied()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

fn loader(workers: usize) -> TensorLoader<Tensor<4>> {
    let options = demo::DemoOptions { size: 64, train: 3, ..Default::default() };
    let set = demo::scenes(Dates::Two, Split::Train, &options);
    let crops = Crops::new(&set, CropOptions { size: 32, ..Default::default() }).expect("crops");
    let sampler = Sampler::new(&crops, Draw::Shuffled { keep_empty: 1.0 });
    let options = LoaderOptions { batch: 5, flips: true, workers, ..Default::default() };
    TensorLoader::new(Loader::new(&crops, sampler, options), Arc::new(FirstDates), Device::flex())
}

/// The values of an epoch's batches.
fn epoch(loader: &dyn DataLoader<Tensor<4>>) -> Vec<Vec<f32>> {
    loader.iter().map(|batch| batch.expect("a batch").into_data().try_to_vec().expect("floats")).collect()
}

#[test]
fn every_call_of_iter_is_the_next_epoch_whatever_the_workers() {
    let (one, many) = (loader(0), loader(3));
    let first = epoch(&one);
    assert_eq!((one.num_items(), first.len(), first[0].len()), (12, 3, 5 * 3 * 32 * 32));
    assert_eq!(first, epoch(&many));
    let second = epoch(&one);
    assert_ne!(first, second);
    assert_eq!(second, epoch(&many));
}

#[test]
fn it_starts_at_any_step_and_says_how_far_it_is() {
    let whole = epoch(&loader(2).starting_at(4, 0));
    let late = loader(2).starting_at(4, 2);
    let mut batches = late.iter();
    assert_eq!((batches.progress().items_processed, batches.progress().items_total), (10, 12));
    let batch: Vec<f32> = batches.next().expect("one").expect("a batch").into_data().try_to_vec().expect("floats");
    assert_eq!(batch, whole[2]);
    assert!(batches.progress().is_completed() && batches.next().is_none());
    drop(batches);
    assert_eq!(epoch(&late), epoch(&loader(2).starting_at(5, 0)));
}

#[test]
fn a_slice_is_a_part_of_the_order_and_a_device_changes_nothing() {
    let whole: Vec<f32> = epoch(&loader(2)).concat();
    let crop = 3 * 32 * 32;
    let part = loader(2).slice(2, 9);
    assert_eq!(part.num_items(), 7);
    assert_eq!(epoch(part.as_ref()).concat(), whole[2 * crop..9 * crop]);
    assert_eq!(epoch(loader(2).to_device(&Device::flex()).as_ref()).concat(), whole);
}
