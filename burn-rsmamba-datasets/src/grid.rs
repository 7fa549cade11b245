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
    /// The row-major indices of the pixels inside, in an image of `width` columns.
    pub fn indices(self, width: usize) -> impl Iterator<Item = usize> + Clone {
        (self.top..self.bottom).flat_map(move |row| (self.left..self.right).map(move |column| row * width + column))
    }
}

/// What happens where a grid does not end with the scene.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// The last window of a row or column is moved back to end with the scene; only one that is larger than the scene
    /// reaches beyond.
    #[default]
    Shift,
    /// The last window stays on the grid and reaches beyond.
    Pad,
    /// Windows that reach beyond are left out, and what they alone would cover.
    Drop,
}

/// Square windows on a regular grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Rows and columns of a window; at least 1.
    pub(crate) size: usize,
    /// Rows and columns from one window to the next; at least 1.
    pub(crate) stride: usize,
    /// What happens at the bottom and right border.
    pub(crate) edge: Edge,
}

impl Grid {
    /// The windows along one axis. The ranges `from..to` give each pixel that is covered to exactly one of them.
    pub(crate) fn spans(self, length: usize) -> Vec<Span> {
        let Self { size, stride, edge } = self;
        let last = length.saturating_sub(size);
        let starts: Vec<usize> = match edge {
            Edge::Shift => (0..last).step_by(stride).chain([last]).collect(),
            Edge::Pad => (0..last + stride).step_by(stride).filter(|&start| start < length).collect(),
            Edge::Drop if length < size => Vec::new(),
            Edge::Drop => (0..=last).step_by(stride).collect(),
        };
        let mut covered: usize = 0;
        let span = |start: usize| {
            let span = Span { start, from: covered.saturating_sub(start), to: size.min(length - start) };
            covered = start + span.to;
            span
        };
        starts.into_iter().map(span).collect()
    }
}

/// One window along one axis of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it starts in the scene.
    pub(crate) start: usize,
    /// Its first pixel that no earlier span has.
    pub(crate) from: usize,
    /// One beyond its last pixel inside the scene.
    pub(crate) to: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_a_grid_are_moved_padded_or_dropped() {
        let starts = |edge, stride, length| {
            let spans = Grid { size: 32, stride, edge }.spans(length);
            spans.iter().map(|span| span.start).collect::<Vec<_>>()
        };
        assert_eq!(starts(Edge::Shift, 32, 100), [0, 32, 64, 68]);
        assert_eq!(starts(Edge::Pad, 32, 100), [0, 32, 64, 96]);
        assert_eq!(starts(Edge::Drop, 32, 100), [0, 32, 64]);
        assert_eq!(starts(Edge::Shift, 50, 100), [0, 50, 68]);
        assert_eq!(starts(Edge::Pad, 50, 100), [0, 50]);
        assert_eq!(starts(Edge::Drop, 17, 100), [0, 17, 34, 51, 68]);
        assert_eq!(starts(Edge::Pad, 17, 100), [0, 17, 34, 51, 68]);
        assert!(starts(Edge::Drop, 32, 31).is_empty());
    }
}
