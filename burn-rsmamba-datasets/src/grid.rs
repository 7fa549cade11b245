//! Where crops lie, and which of their pixels count.

/// A half-open rectangle of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first row.
    pub top: usize,
    /// The first column.
    pub left: usize,
    /// One beyond the last row.
    pub bottom: usize,
    /// One beyond the last column.
    pub right: usize,
}

impl Window {
    /// Whether a pixel lies inside.
    pub fn contains(&self, row: usize, column: usize) -> bool {
        (self.top..self.bottom).contains(&row) && (self.left..self.right).contains(&column)
    }

    /// The number of pixels inside.
    pub fn area(&self) -> usize {
        (self.bottom - self.top) * (self.right - self.left)
    }

    /// The row-major indices of the pixels inside, in an image of `width` columns.
    pub fn indices(self, width: usize) -> impl Iterator<Item = usize> + Clone {
        (self.top..self.bottom).flat_map(move |row| (self.left..self.right).map(move |column| row * width + column))
    }
}

/// One crop along one axis of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it starts in the scene.
    pub(crate) start: usize,
    /// Its first pixel that no earlier span has.
    pub(crate) from: usize,
    /// One beyond its last pixel inside the scene.
    pub(crate) to: usize,
}

/// Covers `length` pixels by spans of `size` that move on by `size - overlap`.
///
/// The last span is shifted back to end with the scene. The ranges `from..to` share the scene out: each pixel is in
/// exactly one.
pub(crate) fn spans(length: usize, size: usize, overlap: usize) -> Vec<Span> {
    let last = length.saturating_sub(size);
    let starts = (0..last).step_by(size - overlap).chain([last]);
    let mut covered = 0;
    starts
        .map(|start| {
            let span = Span { start, from: covered - start, to: size.min(length - start) };
            covered = start + span.to;
            span
        })
        .collect()
}
