//! Outlines of objects: rasterised back they are the mask.

use super::mask::Mask;
use burn_rsmamba::vector::{Class, Polygon, Polygons};
use std::collections::BTreeSet;

pub(crate) fn polygons(mask: &Mask) -> Vec<Polygon> {
    let mut polygons = Polygons::default();
    let mut found: Vec<Polygon> = mask.rows().flat_map(|row| polygons.push(&row)).collect();
    found.extend(polygons.finish());
    found
}

/// How many polygons hold the centre of each pixel, by crossings with their outlines.
pub(crate) fn rasterised(polygons: &[Polygon], width: usize, height: usize) -> Vec<u32> {
    let mut counts = vec![0; width * height];
    for polygon in polygons {
        let mut crossings: Vec<Vec<u32>> = vec![Vec::new(); height];
        for edge in polygon.rings.iter().flat_map(|ring| ring.windows(2)) {
            let ([column, from], [to_column, to]) = (edge[0], edge[1]);
            assert!((column == to_column) != (from == to), "an edge of {polygon:?} is level or upright: {edge:?}");
            (from.min(to)..from.max(to)).for_each(|row| crossings[row as usize].push(column));
        }
        for (row, crossings) in crossings.iter_mut().enumerate() {
            crossings.sort_unstable();
            for inside in crossings.chunks(2) {
                let (start, end) = (row * width + inside[0] as usize, row * width + inside[1] as usize);
                counts[start..end].iter_mut().for_each(|count| *count += 1);
            }
        }
    }
    counts
}

/// Twice the area on the screen, where rows go down: positive where a ring runs counterclockwise.
fn turned(ring: &[[u32; 2]]) -> i64 {
    ring.windows(2)
        .map(|edge| i64::from(edge[1][0]) * i64::from(edge[0][1]) - i64::from(edge[0][0]) * i64::from(edge[1][1]))
        .sum()
}

#[test]
fn polygons_of_random_masks_are_valid_and_rasterise_back() {
    let (mut holes, mut touching) = (0, 0);
    for seed in 0..300 {
        let (width, height) = (1 + seed as usize * 5 % 61, 1 + seed as usize * 13 % 47);
        let mask = Mask::random(seed, width, height, [0.1, 0.5, 0.6, 0.75, 0.9, 1.0][seed as usize % 6], 0.0);
        let found = polygons(&mask);
        let marked: Vec<u32> = mask.classes.iter().map(|&class| u32::from(class == Class::Marked)).collect();
        assert_eq!(rasterised(&found, width, height), marked, "seed {seed}");

        let mut expected: Vec<(usize, i64)> = mask
            .parts(true, false)
            .iter()
            .map(|part| {
                let sum: f64 = part.iter().map(|&pixel| f64::from(mask.probabilities[pixel])).sum();
                (part.len(), (sum / part.len() as f64 * 1e6).round() as i64)
            })
            .collect();
        let mut objects: Vec<(usize, i64)> = found
            .iter()
            .map(|polygon| (polygon.pixels as usize, (polygon.mean_probability * 1e6).round() as i64))
            .collect();
        expected.sort_unstable();
        objects.sort_unstable();
        assert_eq!(objects, expected, "seed {seed}");

        for polygon in &found {
            let mut corners = BTreeSet::new();
            for (index, ring) in polygon.rings.iter().enumerate() {
                assert_eq!(turned(ring) > 0, index == 0, "seed {seed}: the direction of ring {index} of {polygon:?}");
                assert_eq!(ring.first(), ring.last());
                let own: BTreeSet<_> = ring[1..].iter().collect();
                assert_eq!(own.len(), ring.len() - 1, "seed {seed}: a ring touches itself: {ring:?}");
                touching += ring[1..].iter().filter(|&&corner| !corners.insert(corner)).count();
                for three in ring.windows(3) {
                    assert!(
                        three[0][0] != three[2][0] && three[0][1] != three[2][1],
                        "seed {seed}: {three:?} is straight"
                    );
                }
            }
            holes += polygon.rings.len() - 1;
        }
    }
    assert!(holes > 1000 && touching > 1000, "{holes} holes and {touching} points where rings touch");
}

#[test]
fn rings_meet_where_pixels_touch_in_a_corner() {
    // A hole that reaches the outside over two corners stays a hole.
    let found = polygons(&Mask::drawn(&["####.", "#..#.", "#.###", "###.#", "....#"]));
    let exterior = vec![[4, 0], [0, 0], [0, 4], [3, 4], [3, 3], [4, 3], [4, 5], [5, 5], [5, 2], [4, 2], [4, 0]];
    let hole = vec![[1, 1], [3, 1], [3, 2], [2, 2], [2, 3], [1, 3], [1, 1]];
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].pixels, &found[0].rings), (15, &vec![exterior, hole]));
}

#[test]
fn objects_are_given_out_when_they_end() {
    let mask = Mask::drawn(&["#.#", "..#", "#.#"]);
    let mut polygons = Polygons::default();
    let ended: Vec<usize> = mask.rows().map(|row| polygons.push(&row).len()).collect();
    assert_eq!(ended, [0, 1, 0]);
    assert_eq!(polygons.finish().len(), 2);
}
