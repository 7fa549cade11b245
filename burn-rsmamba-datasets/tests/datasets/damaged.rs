use std::fs;

use burn_rsmamba_datasets::{Dates, RasterFile, Split, open, read_raster};
use image::ImageFormat;

use super::support::{at, fill, folder, message, pattern};

#[test]
fn truncated_files_say_so() {
    let root = folder();
    for name in ["cut.png", "cut.tif", "cut.bmp"] {
        let path = at(&root, name);
        if name.ends_with("tif") {
            super::rasters::save_tiff(&path, &pattern(200, 150).into());
        } else {
            pattern(200, 150).save(&path).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for length in [whole.len() * 9 / 10, whole.len() / 2, 60, 20, 9] {
            fs::write(&path, &whole[..length]).unwrap();
            let text = message(read_raster(&path), &path);
            assert!(text.starts_with("PATH is damaged or cut off ("), "{name} at {length}: {text}");
            assert!(text.ends_with("; copy or download it again"), "{text}");
        }
    }
}

#[test]
fn tiff_with_strips_behind_its_directory() {
    let root = folder();
    let path = at(&root, "cut.tif");
    super::rasters::save_tiff(&path, &pattern(64, 64).into());
    let mut bytes = fs::read(&path).unwrap();
    // The directory stays where it is; the pixels it points to become noise.
    bytes[8..600].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    assert!(message(read_raster(&path), &path).starts_with("PATH is damaged"));
}

#[test]
fn what_is_no_image_is_described() {
    let root = folder();
    let cases: [(&[u8], &str); 6] = [
        (b"Hello,\nworld, this is a note and no image", "it is text: `Hello, world, this is a note a`"),
        (b"<html><body>404</body></html>", "it is text: `<html><body>404</body></html>`"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer, `git lfs pull`"),
        (b"", "it is empty"),
        (b"GIF89a\x01\x00\x01\x00", "it is Gif"),
        (&[0, 1, 2, 3, 254, 255], "its first bytes are of no known image format"),
    ];
    for (content, expected) in cases {
        let path = at(&root, "note.png");
        fs::write(&path, content).unwrap();
        let text = message(read_raster(&path), &path);
        assert!(text.starts_with(&format!("PATH is not an image ({expected}")), "{text}");
        assert!(text.ends_with("; replace it with a PNG, JPEG, BMP or TIFF file"), "{text}");
    }
}

#[test]
fn a_bad_file_is_named_when_its_scene_is_loaded() {
    let root = folder();
    fill(&root, &["test/image/1.png"], &["test/label/1.png"]);
    let label = at(&root, "test/label/1.png");
    fs::write(&label, "no picture").unwrap();
    let set = open(root.path(), Dates::One, Split::Test).unwrap();
    assert!(message(set.scenes[0].load(), &label).contains("it is text: `no picture`"));
}

#[test]
fn a_folder_named_like_an_image_is_no_image() {
    let root = folder();
    fill(&root, &["test/image/1.png"], &["test/label/1.png"]);
    fs::create_dir(root.path().join("test/image/2.png")).unwrap();
    assert_eq!(open(root.path(), Dates::One, Split::Test).unwrap().scenes.len(), 1);
    let path = root.path().join("test/image/2.png");
    assert!(message(read_raster(&path), &path).starts_with("PATH cannot be read ("));
}

#[test]
fn jpeg_reads() {
    let root = folder();
    let path = at(&root, "photo.JPEG");
    pattern(64, 48).save_with_format(&path, ImageFormat::Jpeg).unwrap();
    let raster = read_raster(&path).unwrap();
    assert_eq!((raster.width, raster.height, raster.bands), (64, 48, 3));
}

#[test]
fn a_strip_that_is_left_out_may_not_be_larger_than_one_that_is_there() {
    // The only strip of 60000 rows has no bytes, as GDAL writes what holds nothing but no data.
    const SIDE: u32 = 60_000;
    let (short, long) = (3_u16, 4_u16);
    let entries = [
        (256, long, SIDE),
        (257, long, SIDE),
        (258, short, 8),
        (259, short, 1),
        (262, short, 1),
        (273, long, 0),
        (277, short, 1),
        (278, long, SIDE),
        (279, long, 0),
    ];
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        bytes.extend([tag, kind].iter().flat_map(|word: &u16| word.to_le_bytes()));
        bytes.extend([1, value].iter().flat_map(|word: &u32| word.to_le_bytes()));
    }
    bytes.extend([0; 4]);
    let root = folder();
    let path = at(&root, "sparse.tif");
    fs::write(&path, bytes).unwrap();
    let mut file = RasterFile::open(&path).unwrap();
    let text = message(file.window(0, 0, 1, 1), &path);
    assert!(text.starts_with("PATH is too large"), "{text}");
}
