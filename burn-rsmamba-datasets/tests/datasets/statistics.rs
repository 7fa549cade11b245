use std::sync::Arc;

use burn_rsmamba_datasets::{LoadedScene, Pixels, Raster, statistics};

#[test]
fn mean_and_deviation_are_of_the_pixels_that_show_something() {
    // two bands: 51 and 102 of 255, then 153 and 102; the third pixel is blank
    let bytes = Pixels::U8(vec![51, 102, 153, 102, 0, 0]);
    // a pixel with one band of no number does not count
    let floats = Pixels::F32(vec![0.2, 0.4, f32::NAN, 0.4, 0.6, 0.4]);
    let scene = |pixels| LoadedScene {
        name: "scene".into(),
        images: vec![Arc::new(Raster { width: 3, height: 1, bands: 2, pixels })],
        label: None,
    };
    let found = statistics(&[scene(bytes), scene(floats)]);
    assert_eq!((found.pixels, found.blank), (4, 2));
    let close = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(close(found.mean[0], 0.4) && close(found.mean[1], 0.4), "{found:?}");
    assert!(close(found.std[0], 0.2) && found.std[1] < 1e-3, "{found:?}");
    assert_eq!(statistics(&[]).pixels, 0);
}
