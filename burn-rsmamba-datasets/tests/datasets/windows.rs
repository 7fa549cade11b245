//! Windows of files of every layout, and georeferences there and back.

use std::fs::File;
use std::io::{BufWriter, Cursor};
use std::path::Path;
use std::process::Command;

use burn_rsmamba_datasets::{GeoReference, GeoTiff, Pixels, Raster, RasterFile, read_raster};
use tiff::encoder::{Compression, TiffEncoder, TiffKind, colortype};
use tiff::tags::Tag;

use super::support::{at, folder, message, pattern, skipped};

/// UTM zone 33 north, half-metre pixels.
fn utm() -> GeoReference {
    GeoReference {
        transform: [399_960.0, 0.5, 0.0, 5_900_040.0, 0.0, -0.5],
        keys: vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633],
        doubles: Vec::new(),
        ascii: String::new(),
    }
}

/// To the last bit: a map must not move.
fn same(left: [f64; 6], right: [f64; 6]) -> bool {
    left.map(f64::to_bits) == right.map(f64::to_bits)
}

fn windows(height: usize, width: usize) -> [(usize, usize, usize, usize); 5] {
    [
        (0, 0, height, width),
        (0, 0, 1, 1),
        (height - 1, width - 1, 1, 1),
        (height / 3, width / 4, height / 2, width / 2),
        (height - 2, 0, 2, width),
    ]
}

/// Every window of the file holds what the whole image holds there.
fn check_windows(path: &Path, whole: &Raster) {
    let mut file = RasterFile::open(path).unwrap();
    assert_eq!((file.width(), file.height(), file.bands()), (whole.width, whole.height, whole.bands));
    for (top, left, height, width) in windows(whole.height, whole.width) {
        let window = file.window(top, left, height, width).unwrap();
        assert_eq!((window.width, window.height, window.bands), (width, height, whole.bands));
        assert_eq!(window.to_chw_f32(), whole.crop_chw_f32(top, left, height, width), "{top} {left} {height}x{width}");
    }
}

fn numbered_floats(width: usize, height: usize) -> Raster {
    Raster { width, height, bands: 1, pixels: Pixels::F32((0..width * height).map(|i| i as f32 * 0.25).collect()) }
}

fn write_floats(path: &Path, raster: &Raster, geotiff: &GeoTiff) {
    let Pixels::F32(values) = &raster.pixels else { panic!("floats") };
    let rows = |top: usize, count: usize| {
        Ok::<_, tiff::TiffError>(values[top * raster.width..][..count * raster.width].to_vec())
    };
    geotiff.write(BufWriter::new(File::create(path).unwrap()), rows).unwrap();
}

#[test]
fn strips_of_any_height_in_classic_and_big_files() {
    fn write<K: TiffKind>(mut encoder: TiffEncoder<File, K>, rows: u32) {
        let image = pattern(37, 29);
        let mut encoder = encoder.new_image::<colortype::RGB8>(37, 29).unwrap();
        encoder.rows_per_strip(rows).unwrap();
        encoder.write_data(image.as_raw()).unwrap();
    }
    let root = folder();
    let whole = Raster { width: 37, height: 29, bands: 3, pixels: Pixels::U8(pattern(37, 29).into_raw()) };
    for rows in [1, 4, 29] {
        let path = at(&root, "strips.tif");
        write(TiffEncoder::new(File::create(&path).unwrap()).unwrap().with_compression(Compression::Packbits), rows);
        check_windows(&path, &whole);
        write(TiffEncoder::new_big(File::create(&path).unwrap()).unwrap(), rows);
        check_windows(&path, &whole);
    }
}

#[test]
fn tiles_that_do_not_divide_the_image() {
    let root = folder();
    for (width, height) in [(300, 270), (256, 256), (1, 1), (257, 5)] {
        let path = at(&root, "tiles.tif");
        let whole = numbered_floats(width, height);
        write_floats(&path, &whole, &GeoTiff { width, height, georeference: None, nodata: None });
        assert_eq!(read_raster(&path).unwrap(), whole);
        if height > 2 {
            check_windows(&path, &whole);
        }
    }
}

#[test]
fn one_plane_a_band() {
    let root = folder();
    let path = at(&root, "planar.tif");
    let (width, height) = (5_u32, 4_u32);
    let planes: Vec<Vec<u16>> =
        (0..3).map(|band| (0..width * height).map(|pixel| (1000 * band + pixel) as u16).collect()).collect();
    let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offsets: Vec<u32> = planes.iter().map(|plane| directory.write_data(&plane[..]).unwrap() as u32).collect();
    directory.write_tag(Tag::ImageWidth, width).unwrap();
    directory.write_tag(Tag::ImageLength, height).unwrap();
    directory.write_tag(Tag::BitsPerSample, &[16_u16; 3][..]).unwrap();
    directory.write_tag(Tag::Compression, 1_u16).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 2_u16).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 3_u16).unwrap();
    directory.write_tag(Tag::PlanarConfiguration, 2_u16).unwrap();
    directory.write_tag(Tag::RowsPerStrip, height).unwrap();
    directory.write_tag(Tag::StripOffsets, &offsets[..]).unwrap();
    directory.write_tag(Tag::StripByteCounts, &[2 * width * height; 3][..]).unwrap();
    directory.finish().unwrap();
    let interleaved = (0..planes[0].len()).flat_map(|pixel| planes.iter().map(move |plane| plane[pixel])).collect();
    let whole = Raster { width: 5, height: 4, bands: 3, pixels: Pixels::U16(interleaved) };
    assert_eq!(read_raster(&path).unwrap(), whole);
    check_windows(&path, &whole);
}

#[test]
fn windows_in_row_major_order_decode_every_block_once_within_a_bounded_cache() {
    let root = folder();
    let path = at(&root, "large.tif");
    let (width, height) = (2000, 1500);
    let whole = numbered_floats(width, height);
    write_floats(&path, &whole, &GeoTiff { width, height, georeference: None, nodata: None });
    let blocks = width.div_ceil(256) * height.div_ceil(256);
    // room for two rows of tiles; windows that lie across the tiles
    let mut file = RasterFile::with_cache(&path, 2 * 8 * 256 * 256 * 4).unwrap();
    assert_eq!(file.block(), (256, 256));
    for top in (0..height).step_by(200) {
        for left in (0..width).step_by(200) {
            let (h, w) = (200.min(height - top), 200.min(width - left));
            assert_eq!(file.window(top, left, h, w).unwrap().to_chw_f32(), whole.crop_chw_f32(top, left, h, w));
        }
    }
    assert_eq!(file.decoded_blocks(), blocks);
    let mut forgetful = RasterFile::with_cache(&path, 0).unwrap();
    for _ in 0..2 {
        forgetful.window(0, 0, 10, 600).unwrap();
    }
    assert_eq!(forgetful.decoded_blocks(), 6, "nothing is kept");
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

    let differ = |change: fn(&mut GeoReference)| {
        let mut other = utm();
        change(&mut other);
        utm().difference(&other).expect("they differ")
    };
    assert_eq!(utm().difference(&utm()), None);
    assert_eq!(differ(|geo| geo.keys[15] = 32634), "coordinate reference systems EPSG:32633 and EPSG:32634");
    assert_eq!(differ(|geo| geo.transform[1] = 1.0), "pixel sizes 0.5 x 0.5 and 1 x 0.5");
    assert_eq!(differ(|geo| geo.transform[0] += 1.0), "origins (399960, 5900040) and (399961, 5900040)");
}

#[test]
fn a_header_that_claims_any_size_is_refused_without_the_memory() {
    let root = folder();
    let path = at(&root, "huge.tif");
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offset = directory.write_data(&[0_u8; 16][..]).unwrap() as u32;
    for (tag, value) in [
        (Tag::ImageWidth, 4_000_000_000_u32),
        (Tag::ImageLength, 4_000_000_000),
        (Tag::BitsPerSample, 8),
        (Tag::Compression, 1),
        (Tag::PhotometricInterpretation, 1),
        (Tag::SamplesPerPixel, 1),
        (Tag::RowsPerStrip, 4_000_000_000),
        (Tag::StripOffsets, offset),
        (Tag::StripByteCounts, 16),
    ] {
        directory.write_tag(tag, value).unwrap();
    }
    directory.finish().unwrap();
    std::fs::write(&path, bytes.into_inner()).unwrap();
    let text = message(read_raster(&path), &path);
    assert!(text.starts_with("PATH is too large (4000000000x4000000000 pixels of 1 bands do not fit"), "{text}");
    assert!(text.ends_with("TILED=YES PATH NEW.tif) or cut it up (data tile)"), "{text}");
    if let Ok(mut file) = RasterFile::open(&path) {
        let text = message(file.window(0, 0, 1, 1), &path);
        assert!(!text.contains("8-bit"), "{text}");
    }
}

/// A grey file of 4x2 pixels whose one strip is these bytes, compressed in this way.
fn compressed(path: &Path, method: u16, strip: &[u8]) {
    let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offset = directory.write_data(strip).unwrap() as u32;
    directory.write_tag(Tag::ImageWidth, 4_u32).unwrap();
    directory.write_tag(Tag::ImageLength, 2_u32).unwrap();
    directory.write_tag(Tag::BitsPerSample, 8_u16).unwrap();
    directory.write_tag(Tag::Compression, method).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 1_u16).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 1_u16).unwrap();
    directory.write_tag(Tag::RowsPerStrip, 2_u32).unwrap();
    directory.write_tag(Tag::StripOffsets, offset).unwrap();
    directory.write_tag(Tag::StripByteCounts, strip.len() as u32).unwrap();
    directory.finish().unwrap();
}

#[test]
fn zstd_is_read_or_named_with_the_mend() {
    let root = folder();
    let path = at(&root, "zstd.tif");
    // one frame of 8 bytes (RFC 8878): magic, single segment, size, last raw block of 8 bytes
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 8, 0x41, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    compressed(&path, 50000, &frame);
    if cfg!(feature = "zstd") {
        assert_eq!(read_raster(&path).unwrap().pixels, Pixels::U8((1..=8).collect()));
    } else {
        assert_eq!(
            message(read_raster(&path), &path),
            "PATH is compressed by ZSTD, which this build does not read; build with the feature `zstd`, or convert it: \
             gdal_translate -co COMPRESS=DEFLATE -co TILED=YES PATH NEW.tif"
        );
    }
}

#[test]
fn other_compressions_are_named_with_the_mend() {
    let root = folder();
    let path = at(&root, "other.tif");
    for (method, name) in [(34887, "LERC"), (34925, "LZMA"), (50001, "WebP"), (50002, "JXL"), (4711, "Unknown(4711)")] {
        compressed(&path, method, &[0; 8]);
        let text = message(read_raster(&path), &path);
        let expected =
            format!("PATH is compressed by {name}, which this build does not read; convert it: gdal_translate -co");
        assert!(text.starts_with(&expected), "{text}");
    }
}

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
    assert!(read >= 30, "{read} files of GDAL");
}
