//! GDAL reads what is written here, and its own files are read.

use std::path::Path;
use std::process::Command;

use burn_rsmamba_datasets::{GeoTiff, Pixels, RasterFile, read_raster};

use super::georeference::{numbered_floats, same, utm, write_floats};
use super::support::{at, folder, skipped};

/// GDAL is the judge, where Python has rasterio.
#[test]
fn gdal_reads_what_is_written_and_its_files_are_read() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gdal.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let has_rasterio = Command::new(&python).args(["-c", "import rasterio"]).output();
    if !has_rasterio.is_ok_and(|output| output.status.success()) {
        return skipped("Python has no rasterio, GDAL is not asked");
    }
    let root = folder();
    let ours = at(&root, "ours.tif");
    let geotiff = GeoTiff { width: 300, height: 270, georeference: Some(utm()), nodata: Some("-1".into()) };
    write_floats(&ours, &numbered_floats(300, 270), &geotiff);
    let output = Command::new(&python)
        .arg(&tool)
        .arg(root.path())
        .args(cfg!(feature = "zstd").then_some("zstd"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Each of GDAL's files holds the same numbers, and says where.
    let mut read = 0;
    for entry in std::fs::read_dir(root.path().join("gdal")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut file = RasterFile::open(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((file.width(), file.height(), file.bands()), (131, 97, 3), "{name}");
        let georeference = file.georeference().unwrap_or_else(|| panic!("{name}: a georeference"));
        assert_eq!(georeference.epsg(), Some(32633), "{name}");
        assert!(same(georeference.corner_transform(), utm().transform), "{name}: {georeference:?}");
        assert_eq!(file.nodata(), Some(7.0), "{name}");
        let window = file.window(40, 50, 30, 60).unwrap_or_else(|error| panic!("{name}: {error}"));
        let scale = match window.pixels {
            Pixels::U8(_) => 255.0,
            Pixels::U16(_) => 65535.0,
            Pixels::F32(_) => 1.0,
        };
        for (index, value) in window.to_chw_f32().into_iter().enumerate() {
            let (band, row, column) = (index / 1800, 40 + index / 60 % 30, 50 + index % 60);
            let expected = ((row * 7 + column * 3 + band * 11) % 100) as f32;
            assert!((value * scale - expected).abs() < 1e-2, "{name}: band {band} at {row}, {column}");
        }
        read += 1;
    }
    assert!(read >= 42, "{read} files of GDAL");
    kinds(&root.path().join("kinds"));
}

/// GDAL's files of other bands and colours.
fn kinds(folder: &Path) {
    let path = |name: &str| folder.join(format!("{name}.tif"));
    let value = |band: usize, row: usize, column: usize| match band {
        3 => 200 - (row * 7 + column * 3) % 100,
        band => (row * 7 + column * 3 + band * 11) % 100,
    };
    for (name, bands, alpha) in [
        ("rgba", 3, true),
        ("rgbn", 4, false),
        ("rgb-and-one", 4, false),
        ("rgb-and-one-planar", 4, false),
        ("grey-alpha", 1, true),
    ] {
        let mut file = RasterFile::open(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((file.bands(), file.has_alpha()), (bands, alpha), "{name}");
        let window = file.window(40, 50, 30, 60).unwrap();
        let pixels = (40..70).flat_map(|row| (50..110).map(move |column| (row, column)));
        let expected = pixels.flat_map(|(row, column)| (0..bands).map(move |band| value(band, row, column) as u8));
        assert_eq!(window.pixels, Pixels::U8(expected.collect()), "{name}");
        let metadata = file.tags().metadata.expect("descriptions and scales");
        assert!(metadata.contains("first") && metadata.contains("scale"), "{name}: {metadata}");
    }
    for name in ["mask-inside", "mask-beside"] {
        let mut file = RasterFile::open(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(file.has_nodata() && !file.has_alpha(), "{name}");
        let (window, nodata) = file.window_and_nodata(10, 80, 30, 40).unwrap();
        let Pixels::U8(values) = window.pixels else { panic!("{name}: bytes") };
        for (pixel, &nodata) in nodata.iter().enumerate() {
            let (row, column) = (10 + pixel / 40, 80 + pixel % 40);
            let expected = if nodata { 0 } else { value(1, row, column) as u8 };
            assert_eq!((nodata, values[3 * pixel + 1]), (row < 20 && column > 90, expected), "{name}: {row}, {column}");
        }
    }
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pairs: Vec<String> = names.filter_map(|name| Some(name.strip_suffix("-decoded.tif")?.to_owned())).collect();
    assert_eq!(pairs.len(), 101, "{pairs:?}");
    for name in &pairs {
        let read = |name: &str| {
            let raster = read_raster(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            (raster.bands, raster.pixels)
        };
        let ((bands, ours), (_, gdal)) = (read(name), read(&format!("{name}-decoded")));
        if !name.starts_with("jpeg") {
            assert!(ours == gdal, "{name}: other values");
            continue;
        }
        assert_eq!(bands, 3, "{name}");
        let (Pixels::U8(ours), Pixels::U8(gdal)) = (ours, gdal) else { panic!("{name}: bytes") };
        // Decoders round and enlarge the chroma each in their way.
        let apart: Vec<u64> = ours.iter().zip(&gdal).map(|(&a, &b)| u64::from(a.abs_diff(b))).collect();
        let (most, mean) = (apart.iter().max(), apart.iter().sum::<u64>() as f64 / apart.len() as f64);
        assert!(most <= Some(&8) && mean < 0.8, "{name}: {most:?} at most, {mean} in the mean");
    }
}
