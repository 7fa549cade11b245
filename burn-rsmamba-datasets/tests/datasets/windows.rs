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

/// A file of so many 8-bit samples a pixel, in one strip, or in a strip a sample.
fn write_samples(path: &Path, samples: usize, colour: u16, extra: &[u16], planar: bool) {
    let (width, height) = (5_u32, 4_u32);
    let value = |pixel: usize, sample: usize| (pixel * 10 + sample) as u8;
    let pixels = (width * height) as usize;
    let strips: Vec<Vec<u8>> = if planar {
        (0..samples).map(|sample| (0..pixels).map(|pixel| value(pixel, sample)).collect()).collect()
    } else {
        vec![(0..pixels * samples).map(|index| value(index / samples, index % samples)).collect()]
    };
    let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offsets: Vec<u32> = strips.iter().map(|strip| directory.write_data(&strip[..]).unwrap() as u32).collect();
    let bytes: Vec<u32> = strips.iter().map(|strip| strip.len() as u32).collect();
    directory.write_tag(Tag::ImageWidth, width).unwrap();
    directory.write_tag(Tag::ImageLength, height).unwrap();
    directory.write_tag(Tag::BitsPerSample, &vec![8_u16; samples][..]).unwrap();
    directory.write_tag(Tag::Compression, 1_u16).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, colour).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, samples as u16).unwrap();
    directory.write_tag(Tag::PlanarConfiguration, if planar { 2_u16 } else { 1 }).unwrap();
    directory.write_tag(Tag::RowsPerStrip, height).unwrap();
    directory.write_tag(Tag::StripOffsets, &offsets[..]).unwrap();
    directory.write_tag(Tag::StripByteCounts, &bytes[..]).unwrap();
    if !extra.is_empty() {
        directory.write_tag(Tag::ExtraSamples, extra).unwrap();
    }
    directory.finish().unwrap();
}

#[test]
fn no_band_is_lost_but_one_that_is_declared_alpha() {
    const GREY: u16 = 1;
    const RGB: u16 = 2;
    let root = folder();
    let path = at(&root, "bands.tif");
    for (colour, extra, samples, bands, alpha) in [
        (RGB, &[][..], 3, 3, false),
        // not declared at all: no alpha
        (RGB, &[], 4, 4, false),
        (RGB, &[0], 4, 4, false),
        (RGB, &[0, 0], 5, 5, false),
        (RGB, &[0, 2], 5, 4, true),
        (RGB, &[1], 4, 3, true),
        (RGB, &[2], 4, 3, true),
        (GREY, &[], 4, 4, false),
        (GREY, &[0, 0, 0], 4, 4, false),
        (GREY, &[2], 2, 1, true),
        (GREY, &[0, 0, 0, 2], 5, 4, true),
    ] {
        for planar in [false, true] {
            write_samples(&path, samples, colour, extra, planar);
            let mut file = RasterFile::open(&path).unwrap_or_else(|error| panic!("{colour} {extra:?}: {error}"));
            assert_eq!((file.bands(), file.has_alpha()), (bands, alpha), "{colour} {extra:?} {planar}");
            let expected = (0..20 * bands).map(|index| (index / bands * 10 + index % bands) as u8).collect();
            assert_eq!(file.window(0, 0, 4, 5).unwrap().pixels, Pixels::U8(expected), "{colour} {extra:?} {planar}");
        }
    }
    for (colour, extra, band) in [(RGB, &[2, 0][..], 4), (GREY, &[1, 0, 0], 2)] {
        write_samples(&path, extra.len() + if colour == RGB { 3 } else { 1 }, colour, extra, true);
        let text = message(RasterFile::open(&path), &path);
        assert!(text.contains(&format!("by its tags band {band} of")) && text.contains("ALPHA=NO PATH"), "{text}");
    }
    // the alpha of other formats
    let path = at(&root, "alpha.png");
    image::RgbaImage::new(3, 2).save(&path).unwrap();
    let file = RasterFile::open(&path).unwrap();
    assert_eq!((file.bands(), file.has_alpha()), (3, true));
}

#[test]
fn rows_of_windows_decode_every_block_once_with_the_blocks_under_one_row_kept() {
    let root = folder();
    let path = at(&root, "large.tif");
    let (width, height) = (2000, 1500);
    write_floats(&path, &numbered_floats(width, height), &GeoTiff { width, height, georeference: None, nodata: None });
    let blocks = width.div_ceil(256) * height.div_ceil(256);
    // windows that overlap and lie across the tiles in every way
    for (window, stride) in [(100, 100), (300, 200), (512, 384), (700, 333)] {
        let mut file = RasterFile::open(&path).unwrap();
        file.keep_rows(window);
        assert_eq!(file.most_bytes(), file.bytes_under(window));
        let rows = ((window - 1).div_ceil(256) + 1) * 256;
        assert_eq!(file.bytes_under(window), (rows.min(height) * width * 4) as u64);
        for top in (0..height).step_by(stride) {
            for left in (0..width).step_by(stride) {
                file.window(top, left, window.min(height - top), window.min(width - left)).unwrap();
            }
        }
        assert_eq!(file.decoded_blocks(), blocks, "windows of {window}");
    }
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
