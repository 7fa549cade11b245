use std::fs::{self, File};
use std::path::Path;

use burn_rsmamba_datasets::{Pixels, Raster, read_raster};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbaImage};
use tiff::encoder::{Compression, Predictor, TiffEncoder, colortype};
use tiff::tags::Tag;

use super::support::{at, folder, message, pattern};

/// Strips compressed by LZW after horizontal differences, as GDAL likes to write them.
pub(super) fn save_tiff(path: &Path, image: &DynamicImage) {
    let file = File::create(path).unwrap();
    let mut encoder =
        TiffEncoder::new(file).unwrap().with_compression(Compression::Lzw).with_predictor(Predictor::Horizontal);
    let (width, height) = (image.width(), image.height());
    match image {
        DynamicImage::ImageLuma8(image) => encoder.write_image::<colortype::Gray8>(width, height, image),
        DynamicImage::ImageRgb8(image) => encoder.write_image::<colortype::RGB8>(width, height, image),
        DynamicImage::ImageRgba8(image) => {
            let mut encoder = encoder.new_image::<colortype::RGBA8>(width, height).unwrap();
            encoder.encoder().write_tag(Tag::ExtraSamples, &[2_u16][..]).unwrap();
            encoder.write_data(image)
        }
        DynamicImage::ImageLuma16(image) => encoder.write_image::<colortype::Gray16>(width, height, image),
        other => panic!("{:?} is not needed", other.color()),
    }
    .unwrap();
}

fn rgb_pattern(width: u32, height: u32) -> Raster {
    let (columns, rows) = (width as usize, height as usize);
    Raster { width: columns, height: rows, bands: 3, pixels: Pixels::U8(pattern(width, height).into_raw()) }
}

#[test]
fn content_counts_and_not_the_name() {
    let root = folder();
    for format in [ImageFormat::Png, ImageFormat::Bmp] {
        let path = at(&root, "image.jpg");
        pattern(9, 5).save_with_format(&path, format).unwrap();
        assert_eq!(read_raster(&path).unwrap(), rgb_pattern(9, 5));
    }
    let path = at(&root, "image.tif");
    pattern(9, 5).save_with_format(&path, ImageFormat::Jpeg).unwrap();
    assert_eq!(read_raster(&path).unwrap().bands, 3);
}

#[test]
fn tiff_with_lzw_and_predictor() {
    let root = folder();
    let path = at(&root, "image.tif");
    save_tiff(&path, &pattern(37, 21).into());
    assert_eq!(read_raster(&path).unwrap(), rgb_pattern(37, 21));
}

#[test]
fn alpha_is_dropped_and_grey_stays_one_band() {
    let root = folder();
    let rgba: DynamicImage = RgbaImage::from_pixel(4, 3, image::Rgba([1, 2, 3, 77])).into();
    let png = at(&root, "rgba.png");
    rgba.save(&png).unwrap();
    let tif = at(&root, "rgba.tif");
    save_tiff(&tif, &rgba);
    for path in [png, tif] {
        let raster = read_raster(&path).unwrap();
        assert_eq!((raster.bands, raster.pixels), (3, Pixels::U8([1, 2, 3].repeat(12))));
    }
    let path = at(&root, "grey.png");
    GrayImage::from_pixel(4, 3, Luma([9])).save(&path).unwrap();
    assert_eq!(read_raster(&path).unwrap().bands, 1);
}

#[test]
fn sixteen_bits_are_kept() {
    let root = folder();
    let image = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(5, 4, |x, y| Luma([(x * 10_000 + y) as u16]));
    let (png, tif) = (at(&root, "deep.png"), at(&root, "deep.tif"));
    image.save(&png).unwrap();
    save_tiff(&tif, &image.clone().into());
    for path in [png, tif] {
        assert_eq!(read_raster(&path).unwrap().pixels, Pixels::U16(image.as_raw().clone()));
    }
    let planes = read_raster(&at(&root, "deep.png")).unwrap().to_chw_f32();
    assert!((planes[4] - 40_000.0 / 65_535.0).abs() < 1e-6);
}

#[test]
fn floats_stay_as_they_are() {
    let root = folder();
    let path = at(&root, "float.tif");
    let values: Vec<f32> = (0..12).map(|i| i as f32 * 0.75 - 3.0).collect();
    let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    encoder.write_image::<colortype::Gray32Float>(4, 3, &values).unwrap();
    assert_eq!(read_raster(&path).unwrap().to_chw_f32(), values);
}

#[test]
fn palettes_are_expanded() {
    let root = folder();
    let path = at(&root, "palette.png");
    let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 4, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(vec![0, 0, 0, 255, 0, 0, 1, 2, 3]);
    encoder.write_header().unwrap().write_image_data(&[0b0001_1001]).unwrap();
    let expected = Pixels::U8(vec![0, 0, 0, 255, 0, 0, 1, 2, 3, 255, 0, 0]);
    let raster = read_raster(&path).unwrap();
    assert_eq!((raster.bands, raster.pixels), (3, expected));
}

#[test]
fn one_bit_tiff_is_black_and_white() {
    let root = folder();
    let path = at(&root, "bits.tif");
    tiff_of_depth(&path, 1, 10, &[0b1010_0000, 0b0100_0000]);
    let raster = read_raster(&path).unwrap();
    assert_eq!(raster.pixels, Pixels::U8(vec![255, 0, 255, 0, 0, 0, 0, 0, 0, 255]));
}

/// One row of samples of any depth, with the tags written one by one.
fn tiff_of_depth(path: &Path, bits: u16, width: u32, row: &[u8]) {
    let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let offset = directory.write_data(row).unwrap() as u32;
    let bytes = row.len() as u32;
    let tags: [(Tag, u32); 6] = [
        (Tag::ImageWidth, width),
        (Tag::ImageLength, 1),
        (Tag::StripOffsets, offset),
        (Tag::RowsPerStrip, 1),
        (Tag::StripByteCounts, bytes),
        (Tag::Compression, 1),
    ];
    for (tag, value) in tags {
        directory.write_tag(tag, value).unwrap();
    }
    directory.write_tag(Tag::BitsPerSample, bits).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 1_u16).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 1_u16).unwrap();
    directory.finish().unwrap();
}

#[test]
fn crops_repeat_the_border() {
    let raster = Raster { width: 2, height: 2, bands: 1, pixels: Pixels::U8(vec![0, 51, 102, 255]) };
    assert_eq!(raster.crop_chw_f32(1, 0, 2, 3), [0.4, 1.0, 1.0, 0.4, 1.0, 1.0]);
}

#[test]
fn unsupported_kinds_say_so() {
    let root = folder();
    let path = at(&root, "cmyk.tif");
    let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    encoder.write_image::<colortype::CMYK8>(1, 1, &[0, 1, 2, 3]).unwrap();
    let text = message(read_raster(&path), &path);
    assert!(text.contains("CMYK") && text.contains("convert it to an 8-bit or 16-bit grey or RGB"), "{text}");
    assert!(fs::metadata(&path).is_ok());
}

#[test]
fn no_data_is_the_tag_in_every_band_and_of_floats_whatever_is_no_measurement() {
    let raster = |pixels: Pixels| Raster { width: 3, height: 1, bands: 2, pixels };
    let cleared = |pixels, nodata| {
        let mut raster = raster(pixels);
        let told: Vec<bool> = (0..3).map(|column| raster.is_nodata(0, column, nodata)).collect();
        let blank = raster.clear_nodata(nodata);
        assert_eq!(blank, told);
        (blank, raster.to_chw_f32())
    };
    // dark and bright are values like others in one band alone
    let (blank, _) = cleared(Pixels::U8(vec![0, 0, 0, 9, 9, 9]), Some(0.0));
    assert_eq!(blank, [true, false, false]);
    let (blank, planes) = cleared(Pixels::U16(vec![65535, 65535, 65535, 1, 2, 3]), Some(65535.0));
    assert_eq!((blank, planes[0].to_bits(), planes[3].to_bits()), (vec![true, false, false], 0, 0));
    let (blank, _) = cleared(Pixels::U8(vec![7; 6]), None);
    assert_eq!(blank, [false; 3]);
    for none in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (blank, planes) = cleared(Pixels::F32(vec![none, 0.5, 0.25, 0.5, 0.5, none]), None);
        assert_eq!((blank, planes), (vec![true, false, true], vec![0.0, 0.25, 0.0, 0.0, 0.5, 0.0]), "{none}");
    }
    for none in [-9999.0, f64::from(f32::MIN), f64::from(i16::MIN)] {
        let (blank, planes) =
            cleared(Pixels::F32(vec![none as f32, 0.5, 0.25, 0.5, none as f32, none as f32]), Some(none));
        assert_eq!((blank, planes), (vec![true, false, true], vec![0.0, 0.25, 0.0, 0.0, 0.5, 0.0]), "{none}");
    }
    let (blank, _) = cleared(Pixels::F32(vec![0.0, 0.5, 0.0, 0.0, 1.0, 1.0]), Some(0.0));
    assert_eq!(blank, [false, true, false], "0 is a measurement in one band alone");
}
