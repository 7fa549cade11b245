//! The minimum mapping unit against flood filling.

use super::mask::Mask;
use burn_rsmamba::vector::{Class, Run, Sieve};

/// The same by flood filling the whole mask.
fn sifted(mask: &Mask, least: usize, fill_holes: bool) -> Mask {
    let mut result = mask.clone();
    for part in mask.parts(true, false).into_iter().filter(|part| part.len() < least) {
        for pixel in part {
            result.classes[pixel] = Class::Background;
        }
    }
    if fill_holes {
        let open = |pixel: usize| mask.at_border(pixel) || mask.classes[pixel] == Class::NoData;
        for part in result.parts(false, true).into_iter().filter(|part| part.len() < least) {
            if !part.iter().any(|&pixel| open(pixel)) {
                for pixel in part {
                    result.classes[pixel] = Class::Marked;
                }
            }
        }
    }
    result
}

#[test]
fn random_masks_are_sifted_as_by_flood_filling() {
    let mut changed = 0;
    for seed in 0..200 {
        let (width, height) = (1 + seed as usize * 7 % 43, 1 + seed as usize * 11 % 37);
        let share = [0.3, 0.5, 0.6, 0.8][seed as usize % 4];
        let mask = Mask::random(seed, width, height, share, if seed % 3 == 0 { 0.02 } else { 0.0 });
        for (least, fill_holes) in [(1, false), (2, true), (5, false), (5, true), (60, true), (5000, true)] {
            let mut sieve = Sieve::new(least as u64, fill_holes);
            let mut rows: Vec<Vec<Run>> = Vec::new();
            for (pushed, row) in mask.rows().enumerate() {
                rows.extend(sieve.push(row));
                let waiting = pushed + 1 - rows.len();
                assert!(waiting <= 2 * (least - 1), "seed {seed}, least {least}: {waiting} rows wait");
            }
            rows.extend(sieve.finish());
            let expected = sifted(&mask, least, fill_holes);
            changed += usize::from(expected != mask);
            let same =
                rows.len() == height && rows.iter().zip(expected.rows()).all(|(row, expected)| same(row, &expected));
            assert!(same, "seed {seed}, least {least}, fill_holes {fill_holes}");
        }
    }
    assert!(changed > 500, "{changed} masks change");
}

/// Equal up to the order in which probabilities were added.
fn same(row: &[Run], expected: &[Run]) -> bool {
    let key = |run: &Run| (run.class, run.start, run.end);
    row.iter().map(key).eq(expected.iter().map(key))
        && row.iter().zip(expected).all(|(run, expected)| (run.sum - expected.sum).abs() < 1e-9)
}

#[test]
fn what_is_left_of_a_hole_counts_once_small_objects_are_gone() {
    let mask = Mask::drawn(&["######", "#....#", "#.##.#", "#....#", "###.##", "####.#"]);
    let sift = |least| {
        let mut sieve = Sieve::new(least, true);
        let rows: Vec<_> = mask.rows().flat_map(|row| sieve.push(row)).collect();
        let rows = rows.into_iter().chain(sieve.finish());
        rows.flatten().filter(|run| run.class == Class::Marked).map(|run| run.end - run.start).sum::<u32>()
    };
    // The hole is open over a corner at the lower border: 22 marked pixels around it, 2 within.
    assert_eq!(sift(2), 24);
    assert_eq!(sift(3), 22);
    assert_eq!(sift(13), 22);
}
