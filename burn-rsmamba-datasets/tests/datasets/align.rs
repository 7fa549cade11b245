//! A file on the grid of another.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use burn_rsmamba_datasets::{
    AlignedFile, CoregisteredFiles, GeoReference, GeoTiff, Pixels, Raster, RasterFile, Resampling,
};
use tempfile::TempDir;

use super::support::{at, folder, message};

const NODATA: f32 = -9.0;
const WIDTH: usize = 40;
const HEIGHT: usize = 30;

fn grid(transform: [f64; 6], epsg: u16) -> GeoReference {
    let keys = vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, epsg];
    GeoReference { transform, keys, doubles: Vec::new(), ascii: String::new() }
}

/// The value of a pixel; a hole at (20, 10).
fn value(row: usize, column: usize) -> f32 {
    if (row, column) == (20, 10) { NODATA } else { (row * 100 + column) as f32 }
}

/// A file of 40 x 30 pixels of half a metre with its upper left corner at (1000, 2000).
fn source(root: &TempDir, georeference: Option<GeoReference>) -> PathBuf {
    let path = at(root, "source.tif");
    let geotiff = GeoTiff { width: WIDTH, height: HEIGHT, georeference, nodata: Some(NODATA.to_string()) };
    let rows = |top: usize, count: usize| {
        let pixels = (top..top + count).flat_map(|row| (0..WIDTH).map(move |column| value(row, column)));
        Ok::<Vec<f32>, tiff::TiffError>(pixels.collect())
    };
    geotiff.write(BufWriter::new(File::create(&path).unwrap()), rows).unwrap();
    path
}

fn here() -> GeoReference {
    grid([1000.0, 0.5, 0.0, 2000.0, 0.0, -0.5], 32633)
}

/// All pixels of the file on a grid of 30 rows and 40 columns.
fn aligned(root: &TempDir, onto: [f64; 6], resampling: Resampling) -> (Vec<f32>, Vec<bool>) {
    let file = RasterFile::open(&source(root, Some(here()))).unwrap();
    let mut file = AlignedFile::new(file, &grid(onto, 32633), (HEIGHT, WIDTH), resampling).unwrap();
    let (Raster { pixels: Pixels::F32(values), .. }, blank) = file.window(0, 0, HEIGHT, WIDTH).unwrap() else {
        panic!("floats stay floats")
    };
    // Windows are parts of the whole.
    let (part, part_blank) = file.window(7, 5, 4, 3).unwrap();
    let Pixels::F32(part) = part.pixels else { panic!("floats") };
    for index in 0..12 {
        let at = (7 + index / 3) * WIDTH + 5 + index % 3;
        assert_eq!((part[index].to_bits(), part_blank[index]), (values[at].to_bits(), blank[at]));
    }
    (values, blank)
}

#[test]
fn a_shift_by_whole_pixels_moves_them_as_they_are() {
    let root = folder();
    // three columns to the right and two rows up, with the error of a coordinate in decimal
    let onto = [1001.5 + 1e-7, 0.5, 0.0, 2001.0 - 1e-7, 0.0, -0.5];
    for resampling in [Resampling::Nearest, Resampling::Bilinear] {
        let (values, blank) = aligned(&root, onto, resampling);
        for row in 0..HEIGHT {
            for column in 0..WIDTH {
                let index = row * WIDTH + column;
                let inside = row >= 2 && column + 3 < WIDTH;
                let hole = inside && (row - 2, column + 3) == (20, 10);
                assert_eq!(blank[index], !inside || hole, "{resampling}: {row}, {column}");
                if inside {
                    let expected = if hole { 0.0 } else { value(row - 2, column + 3) };
                    assert!((values[index] - expected).abs() < 1e-4, "{resampling}: {row}, {column}");
                }
            }
        }
    }
}

#[test]
fn between_pixels_bilinear_mixes_and_nearest_takes_one() {
    let root = folder();
    // pixels half as large: four to a pixel of the file, whose centres lie a quarter beside its own
    let onto = [1000.0, 0.25, 0.0, 2000.0, 0.0, -0.25];
    let (nearest, _) = aligned(&root, onto, Resampling::Nearest);
    let (bilinear, blank) = aligned(&root, onto, Resampling::Bilinear);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let index = row * WIDTH + column;
            assert!((nearest[index] - value(row / 2, column / 2)).abs() < 1e-6);
            // the pattern is a plane, which bilinear weights keep; before the first centre it goes on level
            let place = |index: usize| (0.5 * (index as f32 + 0.5) - 0.5).max(0.0);
            let expected = place(row) * 100.0 + place(column);
            assert!((bilinear[index] - expected).abs() < 1e-3, "{row}, {column}: {} {expected}", bilinear[index]);
        }
    }
    assert!(blank.iter().all(|blank| !blank), "the hole lies outside");
    // a hole spoils what is made of it, and nothing else
    let onto = [1004.25, 0.5, 0.0, 1990.5, 0.0, -0.5];
    let (_, blank) = aligned(&root, onto, Resampling::Bilinear);
    let holes: Vec<usize> = (0..5 * WIDTH).filter(|&index| index % WIDTH < 5 && blank[index]).collect();
    assert_eq!(holes, [WIDTH + 1, WIDTH + 2], "the two neighbours of (20, 10) in row 1");
}

#[test]
fn a_grid_that_runs_the_other_way_is_followed() {
    let root = folder();
    // rows from south to north, as some files have them
    let (values, blank) = aligned(&root, [1000.0, 0.5, 0.0, 1985.0, 0.0, 0.5], Resampling::Nearest);
    assert_eq!(blank.iter().filter(|&&blank| blank).count(), 1);
    assert!((0..HEIGHT).all(|row| (values[row * WIDTH] - value(HEIGHT - 1 - row, 0)).abs() < 1e-6));
}

#[test]
fn grids_that_do_not_fit_are_refused_with_their_numbers() {
    let root = folder();
    let refused = |georeference: Option<GeoReference>, onto: GeoReference| {
        let path = source(&root, georeference);
        let file = RasterFile::open(&path).unwrap();
        message(AlignedFile::new(file, &onto, (HEIGHT, WIDTH), Resampling::Nearest), &path)
    };
    assert!(refused(None, here()).contains("no georeference"));
    let zone = refused(Some(here()), grid(here().transform, 32634));
    assert!(zone.contains("EPSG:32633") && zone.contains("EPSG:32634"), "{zone}");
    let turned = refused(Some(here()), grid([1000.0, 0.49, 0.1, 2000.0, 0.1, -0.49], 32633));
    assert!(turned.contains("not parallel") && turned.contains("0.49") && turned.contains("0.5"), "{turned}");
    let apart = refused(Some(here()), grid([1020.0, 0.5, 0.0, 2000.0, 0.0, -0.5], 32633));
    assert!(apart.contains("(1000, 2000)") && apart.contains("(1020, 2000)") && apart.contains("40x30"), "{apart}");
}

#[test]
fn images_of_a_place_are_read_on_the_grid_of_the_first() {
    let root = folder();
    let first = at(&root, "first.tif");
    let write = |path: &PathBuf, georeference: Option<GeoReference>, (height, width): (usize, usize)| {
        let geotiff = GeoTiff { width, height, georeference, nodata: None };
        geotiff
            .write(File::create(path).unwrap(), |_, count| Ok::<_, tiff::TiffError>(vec![5_u8; count * width]))
            .unwrap();
    };
    write(&first, Some(here()), (HEIGHT, WIDTH));
    let open = |second: &PathBuf, align| CoregisteredFiles::open(&[&first, second], align);

    let second = source(&root, Some(here()));
    let mut files = open(&second, None).unwrap();
    assert_eq!((files.height(), files.width(), files.bands()), (HEIGHT, WIDTH, 1));
    assert!(files.warnings().is_empty() && files.has_nodata() && files.georeference() == Some(&here()));
    let (raster, nodata) = files.window(1, 20, 0, 2, 12).unwrap();
    let Pixels::F32(values) = raster.pixels else { panic!("floats") };
    for index in 0..24 {
        let (row, column) = (20 + index / 12, index % 12);
        let hole = (row, column) == (20, 10);
        let expected = if hole { 0.0 } else { value(row, column) };
        assert_eq!((nodata[index], values[index].to_bits()), (hole, expected.to_bits()), "{row}, {column}");
    }
    assert_eq!(files.decoded_blocks(), 1);

    // the same size, georeferenced alone
    let second = source(&root, None);
    let files = open(&second, Some(Resampling::Nearest)).unwrap();
    let warnings: Vec<String> = files.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("source.tif is not; they are taken"), "{warnings:?}");

    // all that differs, and then resampled
    let second = at(&root, "second.tif");
    write(&second, Some(grid([1002.0, 1.0, 0.0, 2000.0, 0.0, -1.0], 32633)), (10, 20));
    let text = message(open(&second, None), &second);
    for part in
        ["sizes 40x30 and 20x10 pixels", "origins (1000, 2000) and (1002, 2000)", "pixel sizes 0.5 x 0.5 and 1 x 1"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.ends_with("(--align)"), "{text}");
    let mut files = open(&second, Some(Resampling::Nearest)).unwrap();
    let (raster, outside) = files.window(1, 0, 0, HEIGHT, WIDTH).unwrap();
    assert_eq!(raster.pixels, Pixels::U8(vec![5; HEIGHT * WIDTH]));
    assert!((0..HEIGHT * WIDTH).all(|pixel| outside[pixel] == (pixel / WIDTH >= 20 || pixel % WIDTH < 4)));

    write(&second, None, (10, 20));
    let text = message(open(&second, Some(Resampling::Nearest)), &second);
    assert!(text.starts_with("PATH is 20x10 pixels but") && text.contains("40x30"), "{text}");
}
