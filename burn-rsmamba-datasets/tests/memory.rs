//! The memory that scenes take when they are read crop by crop; alone in its process, whose peak is measured. One of the size of
//! WHU-CD's writes 2 GB and takes minutes: `just giant`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn_rsmamba_datasets::{GeoTiff, LabelRule, Pixels, RasterFile, Scene, SceneOrigin};
use flate2::{Compression, write::ZlibEncoder};
use tiff::encoder::TiffEncoder;
use tiff::tags::Tag;

const TILE: usize = 256;
const STRIP: usize = 16;

/// The size of a scene and of its crops, which lie across tiles and strips.
#[derive(Clone, Copy)]
struct Case {
    width: usize,
    height: usize,
    crop: usize,
}

/// Both tests measure the one process.
static ALONE: Mutex<()> = Mutex::new(());

/// Every row of the image, by its remainder modulo 251.
struct Lines(Vec<Vec<u8>>);

impl Lines {
    fn new(width: usize) -> Self {
        let line = |row: usize| {
            let value = |index: usize| ((row * 7 + index / 3 * 3 + index % 3 * 11) % 251) as u8;
            let period: Vec<u8> = (0..3 * 251).map(value).collect();
            period.into_iter().cycle().take(3 * width).collect()
        };
        Self((0..251).map(line).collect())
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.0[row % 251]
    }
}

/// An RGB BigTIFF of the whole size: tiles compressed by Deflate, or plain strips of 16 rows.
fn write(path: &Path, lines: &Lines, Case { width, height, .. }: Case, tiled: bool) {
    let mut encoder = TiffEncoder::new_big(BufWriter::new(File::create(path).unwrap())).unwrap();
    let mut directory = encoder.image_directory().unwrap();
    let (mut offsets, mut sizes) = (Vec::new(), Vec::new());
    let mut block = |bytes: &[u8]| {
        offsets.push(directory.write_data(bytes).unwrap());
        sizes.push(bytes.len() as u64);
    };
    if tiled {
        for (top, left) in
            (0..height).step_by(TILE).flat_map(|top| (0..width).step_by(TILE).map(move |left| (top, left)))
        {
            let mut tile = ZlibEncoder::new(Vec::new(), Compression::fast());
            for row in top..top + TILE {
                let inside = 3 * left..3 * (left + TILE).min(width);
                tile.write_all(&lines.row(row)[inside.clone()]).unwrap();
                tile.write_all(&vec![0; 3 * TILE - inside.len()]).unwrap();
            }
            block(&tile.finish().unwrap());
        }
    } else {
        for top in (0..height).step_by(STRIP) {
            let rows: Vec<&[u8]> = (top..(top + STRIP).min(height)).map(|row| lines.row(row)).collect();
            block(&rows.concat());
        }
    }
    directory.write_tag(Tag::ImageWidth, width as u32).unwrap();
    directory.write_tag(Tag::ImageLength, height as u32).unwrap();
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
fn crops(case: Case) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let starts =
        move |length: usize| (0..length).step_by(case.crop).map(move |start| (start, case.crop.min(length - start)));
    starts(case.height)
        .flat_map(move |(top, height)| starts(case.width).map(move |(left, width)| (top, left, height, width)))
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

/// Lets the peak begin anew, where the system does so; elsewhere it only misses what an earlier peak hides.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Reads every crop of a file; each block is decoded once.
fn read_file(mut file: RasterFile, lines: &Lines, case: Case, blocks: usize) {
    for crop in crops(case) {
        let (top, left, height, width) = crop;
        check(lines, &file.window(top, left, height, width).unwrap().pixels, crop);
    }
    assert_eq!(file.decoded_blocks(), blocks, "each block once");
}

/// Two dates, in tiles and in strips, and a label, with the blocks of each.
fn write_pair(root: &Path, lines: &Lines, case: Case) -> ([(PathBuf, usize); 2], (PathBuf, usize)) {
    let Case { width, height, .. } = case;
    let [before, after, label] = ["before.tif", "after.tif", "label.tif"].map(|name| root.join(name));
    write(&before, lines, case, true);
    write(&after, lines, case, false);
    let mask = GeoTiff { width, height, georeference: None, nodata: None };
    let rows =
        |top: usize, count: usize| Ok::<_, tiff::TiffError>(vec![u8::from(top.is_multiple_of(512)); count * width]);
    mask.write(BufWriter::new(File::create(&label).unwrap()), rows).unwrap();
    let tiles = width.div_ceil(TILE) * height.div_ceil(TILE);
    ([(before, tiles), (after, height.div_ceil(STRIP))], (label, tiles))
}

/// Reads every crop of both dates and the label through a scene's reader, in which `auto` takes one look at the label first.
fn read_pair(images: [(PathBuf, usize); 2], (label, tiles): (PathBuf, usize), lines: &Lines, case: Case) {
    let blocks = images.iter().map(|(_, blocks)| blocks).sum::<usize>();
    let images = images.map(|(path, _)| path).to_vec();
    let source = SceneOrigin::Files { images, label: Some(label), rule: LabelRule::Auto, region: None };
    let mut reader = Scene { name: "pair".into(), source }.reader().unwrap();
    for crop in crops(case) {
        let (top, left, height, width) = crop;
        let part = reader.window(top, left, height, width).unwrap();
        part.images.iter().for_each(|image| check(lines, &image.pixels, crop));
        assert_eq!(usize::from(part.label.unwrap().data[0]), usize::from(top % 512 < TILE));
    }
    let label = reader.decoded_blocks() - blocks;
    assert!((tiles..=2 * tiles).contains(&label), "{label} blocks of the label, which has {tiles}");
}

#[test]
fn a_scene_is_read_crop_by_crop_in_less_memory_than_it_has_pixels() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let case = Case { width: 3200, height: 2500, crop: 200 };
    let pixels = 3 * case.width * case.height;
    let root = tempfile::tempdir().unwrap();
    let lines = Lines::new(case.width);
    let (images, label) = write_pair(root.path(), &lines, case);
    // Two rows of tiles, which a crop may touch, and the block that is being decoded.
    let cache = 3 * case.width.next_multiple_of(TILE) * 2 * TILE;
    for (path, blocks) in &images {
        forget_peak();
        let before = peak_bytes();
        read_file(RasterFile::with_cache(path, cache).unwrap(), &lines, case, *blocks);
        let grown = peak_bytes().zip(before).map(|(peak, before)| peak - before);
        assert!(grown.is_none_or(|grown| grown < pixels / 2), "{}: {grown:?} of {pixels}", path.display());
    }
    read_pair(images, label, &lines, case);
}

#[test]
#[ignore = "writes 2 GB and takes minutes"]
fn a_giant_scene_is_read_crop_by_crop_in_little_memory() {
    /// What the process may take at its peak.
    const MOST_BYTES: usize = 500_000_000;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let case = Case { width: 32507, height: 15354, crop: 500 };
    let root = tempfile::tempdir().unwrap();
    let lines = Lines::new(case.width);
    let (images, label) = write_pair(root.path(), &lines, case);
    let report = |what: &str| {
        let peak = peak_bytes();
        println!("{what}: {} crops of {}, peak {peak:?} bytes", crops(case).count(), case.crop);
        assert!(peak.is_none_or(|bytes| bytes < MOST_BYTES), "{what}: peak {peak:?}");
    };
    for (path, blocks) in &images {
        read_file(RasterFile::open(path).unwrap(), &lines, case, *blocks);
        report(&path.file_name().unwrap().to_string_lossy());
    }
    read_pair(images, label, &lines, case);
    report("both dates and the label");
}
