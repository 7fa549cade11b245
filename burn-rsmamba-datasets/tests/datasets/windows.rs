//! Windows of files of every layout, and files that are refused.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use burn_rsmamba_datasets::{GeoTiff, Pixels, Raster, RasterFile, read_raster};
use tiff::encoder::{Compression, TiffEncoder, TiffKind, colortype};
use tiff::tags::Tag;

use super::georeference::{numbered_floats, write_floats};
use super::support::{at, folder, message, pattern};

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
