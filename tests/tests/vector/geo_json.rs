//! GeoJSON of random masks: read back, and by GDAL where Python has rasterio.

use super::mask::Mask;
use super::polygons::polygons;
use burn_rsmamba::vector::Class;
use burn_rsmamba_datasets::{GeoJson, GeoReference, GeoTiff};
use burn_rsmamba_tests::fixtures::python_with_rasterio;
use geojson::{Feature, FeatureCollection, GeometryValue};
use std::fs::File;
use std::path::Path;
use std::process::Command;

fn utm(transform: [f64; 6]) -> GeoReference {
    let keys = vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633];
    GeoReference { transform, keys, doubles: Vec::new(), ascii: String::new() }
}

fn written(mask: &Mask, georeference: Option<&GeoReference>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = GeoJson::new(&mut bytes, georeference).expect("begun");
    for polygon in polygons(mask) {
        file.write(&polygon.rings, polygon.pixels, polygon.mean_probability, None).expect("written");
    }
    assert_eq!(file.finish().expect("ended") as usize, mask.parts(true, false).len());
    bytes
}

fn read(bytes: &[u8]) -> FeatureCollection {
    let text = std::str::from_utf8(bytes).expect("text");
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn rings(feature: &Feature) -> Vec<Vec<[f64; 2]>> {
    let Some(GeometryValue::Polygon { coordinates }) = feature.geometry.as_ref().map(|geometry| &geometry.value) else {
        panic!("a polygon: {feature:?}")
    };
    coordinates.iter().map(|ring| ring.iter().map(|at| [at[0], at[1]]).collect()).collect()
}

fn area(ring: &[[f64; 2]]) -> f64 {
    ring.windows(2).map(|edge| edge[0][0] * edge[1][1] - edge[1][0] * edge[0][1]).sum::<f64>() / 2.0
}

#[test]
fn features_have_area_and_probability_and_turn_as_the_standard_says() {
    let mask = Mask::random(3, 30, 20, 0.6, 0.0);
    let north_up = utm([400_000.0, 0.5, 0.0, 5_900_000.0, 0.0, -0.5]);
    // columns to the north, rows to the east
    let turned = utm([400_000.0, 0.0, 2.0, 5_900_000.0, 0.5, 0.0]);
    for (name, georeference, pixel) in
        [("pixels", None, 1.0), ("north up", Some(&north_up), 0.25), ("turned", Some(&turned), 1.0)]
    {
        let found = read(&written(&mask, georeference));
        assert!(found.features.len() > 10 && found.features.iter().any(|feature| rings(feature).len() > 1), "{name}");
        for (feature, polygon) in found.features.iter().zip(polygons(&mask)) {
            let property = |name: &str| feature.property(name).and_then(serde_json::Value::as_f64).expect("a number");
            let areas: Vec<f64> = rings(feature).iter().map(|ring| area(ring)).collect();
            assert!(areas[0] > 0.0 && areas[1..].iter().all(|&hole| hole < 0.0), "{name}: {areas:?}");
            assert!((areas.iter().sum::<f64>() - property("area")).abs() < 1e-3, "{name}: {areas:?}, {feature:?}");
            assert!((property("pixels") * pixel - property("area")).abs() < 1e-9, "{name}: {feature:?}");
            assert!((property("mean_probability") - polygon.mean_probability).abs() < 1e-6, "{name}: {feature:?}");
        }
        let ids: Vec<_> = found.features.iter().filter_map(|feature| feature.property("id")?.as_u64()).collect();
        assert!(ids.iter().copied().eq(1..=found.features.len() as u64), "{name}: {ids:?}");
    }
}

#[test]
fn the_reference_system_is_named_unless_it_is_the_default() {
    let member = |georeference: Option<&GeoReference>, key: &str| {
        // also in a file without any feature
        let found = read(&written(&Mask::drawn(&["..."]), georeference));
        assert_eq!(found.features.len(), 0);
        found.foreign_members.unwrap_or_default().get(key).map(ToString::to_string)
    };
    let place = utm([0.0, 1.0, 0.0, 0.0, 0.0, -1.0]);
    let crs = member(Some(&place), "crs").expect("it is named");
    assert_eq!(crs, r#"{"properties":{"name":"urn:ogc:def:crs:EPSG::32633"},"type":"name"}"#);
    let wgs84 = GeoReference { keys: vec![1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326], ..place.clone() };
    assert_eq!((member(Some(&wgs84), "crs"), member(Some(&wgs84), "description")), (None, None));
    assert!(member(None, "description").is_some_and(|text| text.contains("Pixel coordinates")));
    let unnamed = GeoReference { keys: Vec::new(), ..place };
    assert!(member(Some(&unnamed), "description").is_some_and(|text| text.contains("no EPSG code")));
}

/// GDAL is the judge, where Python has rasterio.
#[test]
fn gdal_rasterises_the_polygons_back_to_the_mask() {
    let Some(python) = python_with_rasterio() else { return };
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/rasterise_polygons.py");
    let folder = tempfile::tempdir().expect("a folder");
    let north_up = utm([399_960.0, 0.5, 0.0, 5_900_040.0, 0.0, -0.5]);
    let fine = utm([399_960.1, 0.3, 0.0, 5_900_040.7, 0.0, -0.3]);
    let as_points =
        GeoReference { keys: vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32633], ..north_up.clone() };
    let places = [("north-up", Some(north_up)), ("fine", Some(fine)), ("points", Some(as_points)), ("pixels", None)];
    for (seed, (name, georeference)) in (0..).zip(places) {
        let mask = Mask::random(seed, 83, 61, 0.6, 0.0);
        std::fs::write(folder.path().join(format!("{name}.geojson")), written(&mask, georeference.as_ref()))
            .expect("written");
        let raster = GeoTiff { width: mask.width, height: mask.height(), georeference, nodata: None };
        let file = File::create(folder.path().join(format!("{name}.tif"))).expect("made");
        let values = |top: usize, count: usize| {
            let pixels = &mask.classes[top * mask.width..(top + count) * mask.width];
            Ok(pixels.iter().map(|&class| if class == Class::Marked { 255_u8 } else { 0 }).collect())
        };
        raster.write::<u8, tiff::TiffError>(file, values).expect("written");
    }
    let output = Command::new(&python).arg(&tool).arg(folder.path()).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4 masks");
}
