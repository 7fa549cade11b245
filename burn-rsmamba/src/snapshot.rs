//! A model's output as a short text that a test can keep and review.
//!
//! Two machines never agree in every bit of a float, so the text of one is compared with the stored text of another number by
//! number: what lies within the tolerance keeps its stored digits, and only what lies outside is written anew. With
//! [insta](https://insta.rs), a test fails exactly where a number has moved, and the difference shows those numbers alone:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_rsmamba::snapshot::{Snapshot, stored};
//!
//! let logits = Tensor::<4>::ones([1, 1, 32, 32], &Device::default());
//! let text = Snapshot::of(logits, 1e-3).settled(stored("tests/snapshots/ci__buildings.snap").as_deref());
//! // insta::assert_snapshot!("buildings", text);
//! assert!(text.starts_with("shape 1x1x32x32\ndtype f32\ntolerance 0.001\nmin 1.0000\n"));
//! ```
//!
//! Weights whose numbers are the same everywhere come from [`ModelConfig::init_seeded`](crate::ModelConfig::init_seeded) or from
//! a file.

use burn::{Tensor, tensor::DType};
use std::{fmt::Write, fs, io, iter::Peekable, path::Path, str::SplitWhitespace};

/// Cells of a thumbnail along each side, at most.
const CELLS: usize = 8;
/// Thumbnails, at most: the first ones.
const PLANES: usize = 4;

/// Shape, type, statistics and thumbnails of a tensor.
///
/// Every number of the text changes by at most as much as the tensor's own values do, so one tolerance serves all of them. Values are looked
/// at as f32. A thumbnail has at most 8 by 8 cells, and the first 4 planes have one: what changes in the others shows in the statistics
/// alone, and changes within a cell that cancel out do not show.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    shape: Vec<usize>,
    dtype: DType,
    tolerance: f64,
    /// Of all values: least, largest, mean, standard deviation.
    statistics: [(&'static str, f64); 4],
    /// Means of the cells of the first planes, row by row.
    planes: Vec<Vec<Vec<f64>>>,
}

impl Snapshot {
    /// Looks at a tensor whose last two axes are the rows and columns of a map; `tolerance` is absolute, in the tensor's units.
    ///
    /// # Panics
    ///
    /// When the tensor is empty or cannot be read, or the tolerance is not above zero.
    pub fn of<const D: usize>(tensor: Tensor<D>, tolerance: f64) -> Self {
        assert!(tolerance > 0.0 && tolerance.is_finite(), "snapshot: the tolerance must be above 0, got {tolerance}");
        let shape = tensor.dims().to_vec();
        let dtype = tensor.dtype();
        let values: Vec<f32> = tensor.into_data().convert::<f32>().try_into_vec().expect("f32 values");
        assert!(!values.is_empty(), "snapshot: the tensor has no values, its shape is {shape:?}");
        let columns = shape.last().copied().unwrap_or(1);
        let rows = if D < 2 { 1 } else { shape[D - 2] };
        let planes = values.chunks_exact(rows * columns).take(PLANES).map(|plane| thumbnail(plane, columns)).collect();
        Self { shape, dtype, tolerance, statistics: statistics(&values), planes }
    }

    /// The text, with the digits of a stored one wherever they are near enough.
    ///
    /// A stored number stands when it is within the tolerance and half a unit of its last digit. A text of another shape, type or
    /// tolerance is not looked at.
    pub fn settled(&self, stored: Option<&str>) -> String {
        let fresh = self.text(|_, digits| digits);
        let Some(stored) = stored.filter(|stored| form(stored) == form(&fresh)) else { return fresh };
        let mut numbers = numbers(stored);
        self.text(|value, digits| match numbers.next() {
            Some(kept) if self.is_near(value, kept) => kept.to_owned(),
            _ => digits,
        })
    }

    fn is_near(&self, value: f64, kept: &str) -> bool {
        let Ok(stored) = kept.parse::<f64>() else { return false };
        let half_a_unit = 0.5 * 10f64.powi(-(self.decimals() as i32));
        // the last factor is for the rounding of the sum itself
        let same = value.to_bits() == stored.to_bits() || (value.is_nan() && stored.is_nan());
        same || (value - stored).abs() <= (self.tolerance + half_a_unit) * (1.0 + 1e-9)
    }

    /// A unit of the last digit is at most a tenth of the tolerance.
    fn decimals(&self) -> usize {
        (1.0 - self.tolerance.log10()).ceil().max(0.0) as usize
    }

    /// The text, every number as `pick` says of its value and its digits.
    fn text(&self, mut pick: impl FnMut(f64, String) -> String) -> String {
        let decimals = self.decimals();
        let mut number = |value: f64| {
            let digits = format!("{value:.decimals$}");
            // "-0.000" and "0.000" are one number
            let is_zero = digits.bytes().all(|digit| matches!(digit, b'-' | b'0' | b'.'));
            pick(value, if is_zero { digits.trim_start_matches('-').to_owned() } else { digits })
        };
        let sides: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        let dtype = format!("{:?}", self.dtype).to_lowercase();
        let mut text = format!("shape {}\ndtype {dtype}\ntolerance {}\n", sides.join("x"), self.tolerance);
        for (name, value) in self.statistics {
            writeln!(text, "{name} {}", number(value)).expect("a string takes all");
        }
        for (index, plane) in self.planes.iter().enumerate() {
            writeln!(text, "plane {index}").expect("a string takes all");
            for row in plane {
                let cells: Vec<String> = row.iter().map(|&cell| number(cell)).collect();
                writeln!(text, "  {}", cells.join(" ")).expect("a string takes all");
            }
        }
        text
    }
}

/// The text of a snapshot file, with or without the header of insta; `None` where there is no file yet.
///
/// The path is relative to the package, where tests run. insta names files by the test's module path and the name that `assert_snapshot!` is
/// given, `tests/snapshots/MODULE__NAME.snap` for a file `tests/MODULE.rs`; with a path that is none of its files every run is
/// compared digit by digit.
///
/// # Panics
///
/// When the file is there and cannot be read as text.
pub fn stored(path: impl AsRef<Path>) -> Option<String> {
    let path = path.as_ref();
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        read => read.unwrap_or_else(|error| panic!("snapshot: cannot read {}: {error}", path.display())),
    };
    let body = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, body)| body.to_owned());
    Some(body.unwrap_or(text))
}

fn statistics(values: &[f32]) -> [(&'static str, f64); 4] {
    let count = values.len() as f64;
    let all = || values.iter().map(|&value| f64::from(value));
    let mean = all().sum::<f64>() / count;
    let variance = all().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    // unlike `f64::min`, keeps a NaN
    let extreme = |better: fn(f64, f64) -> bool| {
        all().reduce(|best, value| if best.is_nan() || better(best, value) { best } else { value }).unwrap_or(f64::NAN)
    };
    [("min", extreme(|a, b| a <= b)), ("max", extreme(|a, b| a >= b)), ("mean", mean), ("std", variance.sqrt())]
}

/// Means over a grid of at most [`CELLS`] by [`CELLS`] cells.
fn thumbnail(plane: &[f32], columns: usize) -> Vec<Vec<f64>> {
    let rows = plane.len() / columns;
    let spans = |size: usize| {
        let cells = size.min(CELLS);
        (0..cells).map(move |cell| cell * size / cells..(cell + 1) * size / cells)
    };
    let cell = |rows: std::ops::Range<usize>, across: std::ops::Range<usize>| {
        let count = (rows.len() * across.len()) as f64;
        rows.flat_map(|row| &plane[row * columns..][across.clone()]).map(|&value| f64::from(value)).sum::<f64>() / count
    };
    spans(rows).map(|down| spans(columns).map(|across| cell(down.clone(), across)).collect()).collect()
}

/// The numbers of a text that may move: the words after the three lines of its head that are no names.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter_map(|(word, moves)| moves.then_some(word))
}

/// A text without the numbers that may move.
fn form(text: &str) -> Vec<&str> {
    words(text).map(|(word, moves)| if moves { "#" } else { word }).collect()
}

/// Every word, and whether it is a number that may move.
fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.lines().enumerate().flat_map(|(line, content)| {
        let mut words: Peekable<SplitWhitespace<'_>> = content.split_whitespace().peekable();
        let name = words.next_if(|word| word.parse::<f64>().is_err());
        let fixed = line < 3 || name == Some("plane");
        name.map(|name| (name, false)).into_iter().chain(words.map(move |word| (word, !fixed)))
    })
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn of(values: Vec<f32>, shape: [usize; 2], tolerance: f64) -> Snapshot {
        Snapshot::of(Tensor::<2>::from_data(TensorData::new(values, shape), &Device::flex()), tolerance)
    }

    /// One value, so that every number of the text but `std` is that value.
    fn single(value: f64) -> Snapshot {
        let mut snapshot = of(vec![0.0], [1, 1], 1e-3);
        snapshot.statistics = [("min", value), ("max", value), ("mean", value), ("std", value)];
        snapshot.planes = vec![vec![vec![value]]];
        snapshot
    }

    #[test]
    fn the_text_is_short_and_says_what_it_is() {
        let snapshot = of((0..6).map(|value| value as f32 / 2.0).collect(), [2, 3], 0.01);
        let expected = "shape 2x3\ndtype f32\ntolerance 0.01\nmin 0.000\nmax 2.500\nmean 1.250\nstd 0.854\nplane 0\n  \
                        0.000 0.500 1.000\n  1.500 2.000 2.500\n";
        assert_eq!(snapshot.settled(None), expected);
        assert_eq!(snapshot.settled(Some(expected)), expected);
    }

    #[test]
    fn thumbnails_are_means_of_equal_cells() {
        let plane: Vec<f32> = (0..32 * 20).map(|pixel| (pixel / 20 / 4) as f32).collect();
        let cells = thumbnail(&plane, 20);
        assert_eq!((cells.len(), cells[0].len()), (8, 8));
        assert!(
            cells.iter().enumerate().all(|(row, cells)| cells.iter().all(|&cell| (cell - row as f64).abs() < 1e-12))
        );
    }

    /// On every edge where the rounding of a digit changes, on both sides of it and of zero.
    #[test]
    fn what_is_within_the_tolerance_of_the_stored_value_stands_and_what_is_beyond_does_not() {
        let (tolerance, unit) = (1e-3, 1e-4);
        for step in -25..25 {
            let edge = (f64::from(step) + 0.5) * unit;
            for value in [edge - 1e-12, edge, edge + 1e-12] {
                let stored = single(value).settled(None);
                for sign in [-1.0, 1.0] {
                    let under = single(value + sign * 0.999 * tolerance).settled(Some(&stored));
                    assert_eq!(under, stored, "{value} moved by just under the tolerance");
                    // the stored digits are half a unit away from the value at most
                    let beyond = value + sign * (1.001 * tolerance + unit);
                    let over = single(beyond).settled(Some(&stored));
                    assert_ne!(over, stored, "{value} moved to {beyond}");
                    assert_eq!(over, single(beyond).settled(None));
                }
            }
        }
    }

    #[test]
    fn only_what_moved_is_written_anew() {
        let stored = of(vec![0.1, 0.2, 0.3, 0.4], [1, 4], 1e-3).settled(None);
        let moved = of(vec![0.1004, 0.2004, 0.3104, 0.4004], [1, 4], 1e-3).settled(Some(&stored));
        assert!(moved.ends_with("  0.1000 0.2000 0.3104 0.4000\n"), "{moved}");
        assert!(moved.contains("\nmin 0.1000\nmax 0.4000\nmean 0.2529\n"), "{moved}");
    }

    #[test]
    fn another_shape_or_tolerance_and_no_numbers_are_not_taken_over() {
        let stored = of(vec![0.1, 0.2], [1, 2], 1e-3).settled(None);
        for other in [of(vec![0.1, 0.2], [2, 1], 1e-3), of(vec![0.1, 0.2], [1, 2], 1e-2)] {
            assert_eq!(other.settled(Some(&stored)), other.settled(None));
        }
        let broken = of(vec![f32::NAN, 0.2], [1, 2], 1e-3);
        let text = broken.settled(Some(&stored));
        assert!(text.contains("min NaN") && text.contains("mean NaN") && text.contains("  NaN 0.2000"), "{text}");
        assert_eq!(broken.settled(Some(&text)), text, "a NaN stays one");
        let infinite = of(vec![f32::INFINITY, 0.2], [1, 2], 1e-3);
        assert!(infinite.settled(Some(&stored)).contains("max inf"));
    }

    #[test]
    fn the_header_of_insta_is_left_out() {
        let folder = std::env::temp_dir().join(format!("burn-rsmamba-snapshot-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        let path = folder.join("a.snap");
        fs::write(&path, "---\nsource: tests/a.rs\nexpression: text\n---\nshape 1\nmin 1\n").expect("written");
        assert_eq!(stored(&path).as_deref(), Some("shape 1\nmin 1\n"));
        assert_eq!(stored(folder.join("absent.snap")), None);
        fs::remove_dir_all(folder).expect("removed");
    }
}
