//! Georeferences there and back, and what does not lie on one grid.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use burn_rsmamba_datasets::{GeoReference, GeoTiff, Pixels, Raster, RasterFile};

use super::support::{at, folder};

/// UTM zone 33 north, half-metre pixels.
pub(super) fn utm() -> GeoReference {
    GeoReference {
        transform: [399_960.0, 0.5, 0.0, 5_900_040.0, 0.0, -0.5],
        keys: vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633],
        doubles: Vec::new(),
        ascii: String::new(),
    }
}

/// To the last bit: a map must not move.
pub(super) fn same(left: [f64; 6], right: [f64; 6]) -> bool {
    left.map(f64::to_bits) == right.map(f64::to_bits)
}

pub(super) fn numbered_floats(width: usize, height: usize) -> Raster {
    Raster { width, height, bands: 1, pixels: Pixels::F32((0..width * height).map(|i| i as f32 * 0.25).collect()) }
}

pub(super) fn write_floats(path: &Path, raster: &Raster, geotiff: &GeoTiff) {
    let Pixels::F32(values) = &raster.pixels else { panic!("floats") };
    let rows = |top: usize, count: usize| {
        Ok::<_, tiff::TiffError>(values[top * raster.width..][..count * raster.width].to_vec())
    };
    geotiff.write(BufWriter::new(File::create(path).unwrap()), rows).unwrap();
}

#[test]
fn a_georeference_is_written_read_shifted_and_compared() {
    let root = folder();
    let path = at(&root, "map.tif");
    let rotated = GeoReference { transform: [10.0, 2.0, 0.5, 20.0, 0.25, -2.0], ..utm() };
    let named = GeoReference {
        keys: vec![1, 1, 0, 2, 1025, 0, 1, 2, 1026, 34737, 6, 0],
        doubles: vec![6_378_137.0],
        ascii: "local|".into(),
        ..utm()
    };
    for georeference in [utm(), rotated, named] {
        let geotiff =
            GeoTiff { width: 3, height: 2, georeference: Some(georeference.clone()), nodata: Some("nan".into()) };
        write_floats(&path, &numbered_floats(3, 2), &geotiff);
        let file = RasterFile::open(&path).unwrap();
        assert_eq!(file.georeference(), Some(&georeference));
        assert!(file.nodata().is_some_and(f64::is_nan));
    }
    let point = GeoReference { keys: vec![1, 1, 0, 1, 1025, 0, 1, 2], ..utm() };
    assert!(same(point.corner_transform(), [399_959.75, 0.5, 0.0, 5_900_040.25, 0.0, -0.5]));
    assert!(same(utm().corner_transform(), utm().transform));
    assert!(same(utm().shifted(4, 6).transform, [399_962.0, 0.5, 0.0, 5_900_037.0, 0.0, -0.5]));
    assert_eq!(utm().epsg(), Some(32633));
}

#[test]
fn what_does_not_lie_on_one_grid_is_told_with_all_numbers() {
    let size = (15354, 32507);
    let difference = |change: fn(&mut GeoReference)| {
        let mut other = utm();
        change(&mut other);
        utm().difference(&other, size)
    };
    let differ = |change| difference(change).expect("they differ");
    assert_eq!(difference(|_| ()), None);
    assert_eq!(differ(|geo| geo.keys[15] = 32634), "coordinate reference systems EPSG:32633 and EPSG:32634");
    assert_eq!(differ(|geo| geo.transform[0] += 1.0), "origins (399960, 5900040) and (399961, 5900040)");
    assert_eq!(
        differ(|geo| geo.transform[1] = 1.0),
        "pixel sizes 0.5 x 0.5 and 1 x 0.5, by which corners lie 32507.0 pixels apart"
    );
    // a hundredth of a percent, three pixels at the far end
    assert_eq!(
        differ(|geo| geo.transform[1] = 0.50005),
        "pixel sizes 0.5 x 0.5 and 0.50005 x 0.5, by which corners lie 3.3 pixels apart"
    );
    let turned = differ(|geo| (geo.transform[2], geo.transform[4]) = (1e-4, 1e-4));
    assert!(turned.contains("axes turned by 0 and 0.01") && turned.ends_with("lie 7.2 pixels apart"), "{turned}");
    let all = differ(|geo| {
        geo.keys[15] = 32634;
        geo.transform = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0];
    });
    assert_eq!(all.split("; ").count(), 3, "{all}");
    assert_eq!(difference(|geo| geo.transform[0] += 0.02), None, "a twenty-fifth of a pixel");
    assert_eq!(difference(|geo| geo.transform[1] += 1e-7), None, "the error of a decimal");
    assert!(difference(|geo| geo.transform[0] = f64::NAN).is_some());
    // pixels that are points, half a pixel on
    assert_eq!(
        difference(|geo| {
            geo.keys[11] = 2;
            (geo.transform[0], geo.transform[3]) = (399_960.25, 5_900_039.75);
        }),
        None
    );

    let local = |name: &str, semi_major: f64| GeoReference {
        keys: vec![1, 1, 0, 2, 1025, 0, 1, 1, 3072, 0, 1, 32767],
        doubles: vec![semi_major],
        ascii: format!("{name}|"),
        ..utm()
    };
    let here = local("local", 6_378_137.0);
    assert_eq!(here.difference(&here, size), None);
    assert_eq!(
        here.difference(&local("other", 6_378_137.0), size).unwrap(),
        "coordinate reference systems `local` without an EPSG code and `other` without an EPSG code"
    );
    assert!(here.difference(&local("local", 6_378_249.0), size).is_some());
    assert!(here.difference(&utm(), size).is_some());
}
