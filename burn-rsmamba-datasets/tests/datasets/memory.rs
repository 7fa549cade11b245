//! Scenes as large as WHU-CD's, crop by crop. It writes 2 GB and takes minutes:
//! `cargo test -p burn-rsmamba-datasets --test datasets -- --ignored --nocapture giant`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn_rsmamba_datasets::{GeoTiff, LabelRule, Pixels, RasterFile, Scene, SceneSource};
use flate2::{Compression, write::ZlibEncoder};
use tiff::encoder::TiffEncoder;
use tiff::tags::Tag;

use super::support::{at, folder};

const WIDTH: usize = 32507;
const HEIGHT: usize = 15354;
const TILE: usize = 256;
/// A crop lies across tiles and strips.
const CROP: usize = 500;
/// What the process may take at its peak.
const MOST_BYTES: usize = 500_000_000;

/// Every row of the image, by its remainder modulo 251.
struct Lines(Vec<Vec<u8>>);

impl Lines {
    fn new() -> Self {
        let line = |row: usize| {
            let value = |index: usize| ((row * 7 + index / 3 * 3 + index % 3 * 11) % 251) as u8;
            let period: Vec<u8> = (0..3 * 251).map(value).collect();
            period.into_iter().cycle().take(3 * WIDTH).collect()
        };
        Self((0..251).map(line).collect())
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.0[row % 251]
    }
}

/// An RGB BigTIFF of the whole size: tiles compressed by Deflate, or plain strips of 16 rows.
fn write(path: &Path, lines: &Lines, tiled: bool) {
    const STRIP: usize = 16;
    let mut encoder = TiffEncoder::new_big(BufWriter::new(File::create(path).unwrap())).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
    let mut block = |bytes: &[u8]| {
        offsets.push(directory.write_data(bytes).unwrap());
        sizes.push(bytes.len() as u64);
    };
    if tiled {
        for (top, left) in
            (0..HEIGHT).step_by(TILE).flat_map(|top| (0..WIDTH).step_by(TILE).map(move |left| (top, left)))
        {
            let mut tile = ZlibEncoder::new(Vec::new(), Compression::fast());
            for row in top..top + TILE {
                let inside = 3 * left..3 * (left + TILE).min(WIDTH);
                tile.write_all(&lines.row(row)[inside.clone()]).unwrap();
                tile.write_all(&vec![0; 3 * TILE - inside.len()]).unwrap();
            }
            block(&tile.finish().unwrap());
        }
    } else {
        for top in (0..HEIGHT).step_by(STRIP) {
            let rows: Vec<&[u8]> = (top..(top + STRIP).min(HEIGHT)).map(|row| lines.row(row)).collect();
            block(&rows.concat());
        }
    }
    directory.write_tag(Tag::ImageWidth, WIDTH as u32).unwrap();
    directory.write_tag(Tag::ImageLength, HEIGHT as u32).unwrap();
    directory.write_tag(Tag::BitsPerSample, &[8_u16; 3][..]).unwrap();
    directory.write_tag(Tag::Compression, if tiled { 8_u16 } else { 1 }).unwrap();
    directory.write_tag(Tag::PhotometricInterpretation, 2_u16).unwrap();
    directory.write_tag(Tag::SamplesPerPixel, 3_u16).unwrap();
    if tiled {
        directory.write_tag(Tag::TileWidth, TILE as u32).unwrap();
        directory.write_tag(Tag::TileLength, TILE as u32).unwrap();
        directory.write_tag(Tag::TileOffsets, &offsets[..]).unwrap();
        directory.write_tag(Tag::TileByteCounts, &sizes[..]).unwrap();
    } else {
        directory.write_tag(Tag::RowsPerStrip, STRIP as u32).unwrap();
        directory.write_tag(Tag::StripOffsets, &offsets[..]).unwrap();
        directory.write_tag(Tag::StripByteCounts, &sizes[..]).unwrap();
    }
    directory.finish().unwrap();
}

/// Crops in row-major order: their top, left, height and width.
fn crops() -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let starts = |length: usize| (0..length).step_by(CROP).map(move |start| (start, CROP.min(length - start)));
    starts(HEIGHT).flat_map(move |(top, height)| starts(WIDTH).map(move |(left, width)| (top, left, height, width)))
}

fn check(lines: &Lines, pixels: &Pixels, (top, left, height, width): (usize, usize, usize, usize)) {
    let Pixels::U8(values) = pixels else { panic!("8-bit samples") };
    for row in 0..height {
        let expected = &lines.row(top + row)[3 * left..3 * (left + width)];
        assert!(values[3 * width * row..3 * width * (row + 1)] == *expected, "row {}, columns from {left}", top + row);
    }
}

/// The largest resident size of this process so far, where the system tells it.
fn peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kilobytes| 1024 * kilobytes)
}

#[test]
#[ignore = "writes 2 GB and takes minutes"]
fn a_giant_scene_is_read_crop_by_crop_in_little_memory() {
    let root = folder();
    let lines = Lines::new();
    let (before, after, label) = (at(&root, "before.tif"), at(&root, "after.tif"), at(&root, "label.tif"));
    write(&before, &lines, true);
    write(&after, &lines, false);
    let mask = GeoTiff { width: WIDTH, height: HEIGHT, georeference: None, nodata: None };
    let rows =
        |top: usize, count: usize| Ok::<_, tiff::TiffError>(vec![u8::from(top.is_multiple_of(512)); count * WIDTH]);
    mask.write(BufWriter::new(File::create(&label).unwrap()), rows).unwrap();

    let report = |what: &str, blocks: usize| {
        let peak = peak_bytes();
        println!("{what}: {} crops of {CROP}, {blocks} blocks decoded, peak {:?} bytes", crops().count(), peak);
        assert!(peak.is_none_or(|bytes| bytes < MOST_BYTES), "{what}: peak {peak:?}");
    };
    for (path, blocks) in [(&before, WIDTH.div_ceil(TILE) * HEIGHT.div_ceil(TILE)), (&after, HEIGHT.div_ceil(16))] {
        let mut file = RasterFile::open(path).unwrap();
        for crop in crops() {
            let (top, left, height, width) = crop;
            check(&lines, &file.window(top, left, height, width).unwrap().pixels, crop);
        }
        assert_eq!(file.decoded_blocks(), blocks, "each block once");
        report(&path.file_name().unwrap().to_string_lossy(), file.decoded_blocks());
    }

    let images = vec![before, after];
    let source = SceneSource::Files { images, label: Some(label), rule: LabelRule::Auto, region: None };
    let mut reader = Scene { name: "pair".into(), source }.reader().unwrap();
    for crop in crops() {
        let (top, left, height, width) = crop;
        let part = reader.window(top, left, height, width).unwrap();
        part.images.iter().for_each(|image| check(&lines, &image.pixels, crop));
        assert_eq!(usize::from(part.label.unwrap().data[0]), usize::from(top % 512 < TILE));
    }
    report("both dates and the label", reader.decoded_blocks());
}
