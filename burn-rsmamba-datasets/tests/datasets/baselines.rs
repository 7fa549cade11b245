use std::sync::Arc;

use burn_rsmamba_datasets::{
    CropOptions, Crops, Mask, Pixels, Raster, Scene, SceneOrigin,
    baselines::{Baseline, measure},
};

use super::support::scene_set;

const SIDE: usize = 40;

/// A scene whose pixels and label follow a rule; crops of 32 overlap and pad in it.
fn baselines(images: &[&dyn Fn(usize) -> [u8; 3]], label: &dyn Fn(usize) -> bool) -> Vec<Baseline> {
    let raster = |rule: &&dyn Fn(usize) -> [u8; 3]| {
        let pixels = Pixels::U8((0..SIDE * SIDE).flat_map(rule).collect());
        Arc::new(Raster { width: SIDE, height: SIDE, bands: 3, pixels })
    };
    let data = (0..SIDE * SIDE).map(|index| u8::from(label(index))).collect();
    let label = Arc::new(Mask { width: SIDE, height: SIDE, data });
    let source = SceneOrigin::Memory { images: images.iter().map(raster).collect(), label };
    let set = scene_set(vec![Scene { name: "rule".into(), source }]);
    measure(&Crops::new(&set, CropOptions { size: 32, overlap: 4, ..CropOptions::default() }).unwrap()).unwrap()
}

fn named<'a>(baselines: &'a [Baseline], name: &str) -> &'a Baseline {
    baselines.iter().find(|baseline| baseline.name.starts_with(name)).expect(name)
}

#[test]
fn a_colour_that_tells_is_found_from_either_side() {
    let target = |index: usize| index.is_multiple_of(3);
    let dark = |index: usize| if target(index) { [40, 90, 90] } else { [41, 90, 90] };
    let found = baselines(&[&dark], &target);
    let best = named(&found, "red below");
    assert!((best.f1 - 1.0).abs() < 1e-12 && (best.iou - 1.0).abs() < 1e-12, "{best:?}");
    assert!((best.threshold.unwrap() - 40.5 / 255.0).abs() < 1e-6, "{best:?}");
    assert!(found.windows(2).all(|pair| pair[0].f1 >= pair[1].f1));
}

#[test]
fn scores_are_those_of_the_confusion() {
    // Bright pixels: 2 in 8 are right, 2 in 8 wrong, 1 in 8 missed.
    let target = |index: usize| index % 8 < 3;
    let image = |index: usize| if [0, 1, 6, 7].contains(&(index % 8)) { [200; 3] } else { [100; 3] };
    let found = baselines(&[&image], &target);
    let red = named(&found, "red above");
    assert!((red.precision - 0.5).abs() < 1e-12 && (red.recall - 2.0 / 3.0).abs() < 1e-12, "{red:?}");
    assert!((red.f1 - 4.0 / 7.0).abs() < 1e-12 && (red.iou - 0.4).abs() < 1e-12, "{red:?}");
    let all = named(&found, "all positive");
    assert!((all.precision - 0.375).abs() < 1e-12 && (all.recall - 1.0).abs() < 1e-12 && all.threshold.is_none());
}

#[test]
fn an_index_beats_the_bands() {
    // Brightness says nothing here, red minus green everything.
    let target = |index: usize| index.is_multiple_of(2);
    let image = |index: usize| {
        let base = (index % 16 * 8 + 50) as u8;
        if target(index) { [base + 20, base, base] } else { [base, base, base] }
    };
    let found = baselines(&[&image], &target);
    assert!((named(&found, "red - green above").f1 - 1.0).abs() < 1e-12);
    let green = found.iter().find(|baseline| matches!(baseline.name.as_str(), "green above" | "green below"));
    assert!(green.unwrap().f1 < 0.8);
}

#[test]
fn change_is_measured_between_dates() {
    let target = |index: usize| index.is_multiple_of(7);
    let first = |index: usize| [(index % 100 + 50) as u8; 3];
    let second = |index: usize| first(index).map(|value| if target(index) { value - 30 } else { value + 10 });
    let found = baselines(&[&first, &second], &target);
    for name in ["mean |change| above", "|change of red| above", "|change of blue| above"] {
        assert!((named(&found, name).f1 - 1.0).abs() < 1e-12, "{name}: {found:?}");
    }
}

#[test]
fn nothing_to_find_scores_nothing() {
    let found = baselines(&[&|index| [(index % 200) as u8 + 1; 3]], &|_| false);
    assert!(found.iter().all(|baseline| baseline.f1 == 0.0 && baseline.recall == 0.0));
}
