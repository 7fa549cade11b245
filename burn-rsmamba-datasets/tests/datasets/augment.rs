use std::collections::BTreeSet;

use burn_rsmamba_datasets::{Sample, Window, augment};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIZE: usize = 6;

/// Two dates of two bands whose values tell date, band and place, and a label that follows the first band.
fn sample() -> Sample {
    let area = SIZE * SIZE;
    let image = |date: usize| (0..2 * area).map(|index| (date * 1000 + index) as f32).collect();
    let label = (0..area).map(|index| u8::from(index % 5 == 0)).collect();
    Sample {
        name: "pattern".into(),
        y: 0,
        x: 0,
        height: SIZE,
        width: SIZE,
        bands: 2,
        images: vec![image(0), image(1)],
        label,
        counted: Window { top: 1, left: 2, bottom: 5, right: 4 },
    }
}

#[test]
fn images_label_and_window_stay_aligned() {
    let before = sample();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..64 {
        let mut after = before.clone();
        augment(&mut after, true, &mut rng);
        let swapped = after.images[0][0] >= 1000.0;
        let area = SIZE * SIZE;
        for index in 0..area {
            let origin = after.images[usize::from(swapped)][index] as usize;
            assert_eq!(after.label[index], before.label[origin]);
            for date in 0..2 {
                let source = if swapped { 1 - date } else { date };
                for band in 0..2 {
                    let (place, old_place) = (band * area + index, band * area + origin);
                    assert_eq!(after.images[date][place] as u32, before.images[source][old_place] as u32);
                }
            }
            let counted = |sample: &Sample, index| sample.counted.indices(SIZE).any(|inside| inside == index);
            assert_eq!(counted(&after, index), counted(&before, origin));
        }
    }
}

#[test]
fn all_orientations_and_both_orders_come_up_equally() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..1600 {
        let mut sample = sample();
        augment(&mut sample, true, &mut rng);
        // Three corners of the first date tell orientation and order.
        let corners = [0, SIZE - 1, SIZE * (SIZE - 1)].map(|index| sample.images[0][index] as usize);
        *seen.entry(corners).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 16);
    assert!(seen.values().all(|count| (60..140).contains(count)), "{seen:?}");
}

#[test]
fn the_same_seed_gives_the_same_variants() {
    let run = || {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        (0..8)
            .map(|_| {
                let mut sample = sample();
                augment(&mut sample, true, &mut rng);
                sample
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn dates_stay_in_order_where_classes_need_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..64 {
        let mut sample = sample();
        augment(&mut sample, false, &mut rng);
        assert!(sample.images[0].iter().all(|&value| value < 1000.0));
    }
}

#[test]
fn a_sample_that_is_not_square_keeps_its_shape() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut seen = BTreeSet::new();
    for _ in 0..64 {
        let mut sample = Sample {
            height: 2,
            width: 3,
            bands: 1,
            images: vec![vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]],
            label: vec![0, 1, 2, 3, 4, 5],
            counted: Window { top: 0, left: 0, bottom: 2, right: 3 },
            ..sample()
        };
        augment(&mut sample, true, &mut rng);
        assert!(sample.images[0].iter().zip(&sample.label).all(|(&pixel, &label)| pixel as u8 == label));
        seen.insert(sample.label);
    }
    let expected = [vec![0, 1, 2, 3, 4, 5], vec![2, 1, 0, 5, 4, 3], vec![3, 4, 5, 0, 1, 2], vec![5, 4, 3, 2, 1, 0]];
    assert_eq!(seen, BTreeSet::from(expected));
}
