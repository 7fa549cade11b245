//! Objects of a mask, row by row: small ones removed ([`Sieve`]), the others as polygons ([`Polygons`]).
//!
//! Rows come from top to bottom as [`Run`]s, and nothing the size of the scene is held: a [`Sieve`] keeps fewer rows than the
//! least size of an object (twice that where holes are filled), [`Polygons`] the outlines of the objects that the latest row touches. Results depend on the mask
//! alone, not on the windows it came from.
//!
//! ```
//! use burn_rsmamba::vector::{Class, Polygons, Sieve, runs};
//!
//! let mask = ["##..", "#..#", "...."];
//! let mut sieve = Sieve::new(2, false);
//! let mut polygons = Polygons::default();
//! let mut found = Vec::new();
//! for row in mask {
//!     let pixels = row.bytes().map(|pixel| match pixel {
//!         b'#' => (Class::Marked, 0.75),
//!         _ => (Class::Background, 0.0),
//!     });
//!     for row in sieve.push(runs(pixels)) {
//!         found.extend(polygons.push(&row));
//!     }
//! }
//! for row in sieve.finish() {
//!     found.extend(polygons.push(&row));
//! }
//! found.extend(polygons.finish());
//! // the lone pixel on the right is gone
//! assert_eq!(found.len(), 1);
//! assert_eq!((found[0].pixels, found[0].mean_probability), (3, 0.75));
//! assert_eq!(found[0].rings, [[[2, 0], [0, 0], [0, 2], [1, 2], [1, 1], [2, 1], [2, 0]]]);
//! ```

mod forest;
mod polygons;
mod rings;
mod sieve;

pub use polygons::{Polygon, Polygons};
pub use sieve::{Sieve, sieved};

use std::ops::Range;

/// What a pixel of a mask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Not marked.
    Background,
    /// Marked.
    Marked,
    /// Unknown: the scene has no data there.
    NoData,
}

/// Neighbouring pixels of one class in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Their class.
    pub class: Class,
    /// The first column.
    pub start: u32,
    /// One beyond the last column.
    pub end: u32,
    /// The sum of their probabilities; 0 where there is no data.
    pub sum: f64,
}

/// The runs of a row, from class and probability of each pixel.
pub fn runs(pixels: impl IntoIterator<Item = (Class, f32)>) -> Vec<Run> {
    let pixels = (0..).zip(pixels).map(|(start, (class, probability))| {
        let sum = if class == Class::NoData { 0.0 } else { f64::from(probability) };
        Run { class, start, end: start + 1, sum }
    });
    joined(pixels)
}

/// Runs of which neighbours differ in class.
fn joined(parts: impl Iterator<Item = Run>) -> Vec<Run> {
    let mut row: Vec<Run> = Vec::new();
    for part in parts {
        match row.last_mut() {
            Some(last) if last.class == part.class => {
                last.end = part.end;
                last.sum += part.sum;
            }
            _ => row.push(part),
        }
    }
    row
}

/// Columns of a row that belong together, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// The spans of a neighbouring row, sorted, that share an edge with this one; with `reach` 1 also a corner.
fn touching(spans: &[Span], with: Span, reach: u32) -> Range<usize> {
    let from = spans.partition_point(|span| span.end + reach <= with.start);
    let count = spans[from..].partition_point(|span| span.start < with.end + reach);
    from..from + count
}
