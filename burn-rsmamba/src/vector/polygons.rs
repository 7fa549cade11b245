//! Objects of a mask as polygons.

use super::forest::Forest;
use super::rings::{Edge, rings};
use super::{Class, Run, Span, touching};

/// An object: 4-connected pixels of a mask, and their outline.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    /// Pixels.
    pub pixels: u64,
    /// The mean of their probabilities.
    pub mean_probability: f64,
    /// The exterior, then the holes; each the corners of pixels, `[column, row]`, where the outline turns, and the first again at
    /// the end. On the screen, exteriors run counterclockwise and holes clockwise. Rings touch in single points at most.
    pub rings: Vec<Vec<[u32; 2]>>,
}

/// Polygons of a mask that comes row by row; each is given out when a row does not touch it any more.
///
/// Memory: 12 bytes for two corners of the objects that the latest row touches, and 20 more while an object is put together.
#[derive(Debug, Default)]
pub struct Polygons {
    /// What is known of each object, a member a span of the latest row.
    objects: Forest<Object>,
    spans: Vec<Span>,
    first: usize,
    /// Rows so far.
    rows: u32,
}

#[derive(Debug, Default)]
struct Object {
    pixels: u64,
    sum: f64,
    edges: Vec<Edge>,
}

impl Polygons {
    /// Takes the next row; gives the objects that ended above it.
    pub fn push(&mut self, row: &[Run]) -> Vec<Polygon> {
        let first = self.objects.next();
        let mut spans = Vec::new();
        for run in row.iter().filter(|run| run.class == Class::Marked) {
            let span = Span { start: run.start, end: run.end };
            self.objects.add(Object { pixels: u64::from(span.end - span.start), sum: run.sum, edges: Vec::new() });
            for above in touching(&self.spans, span, 0) {
                self.objects.join(self.first + above, first + spans.len(), Object::merge);
            }
            spans.push(span);
        }
        // Horizontal edges lie where only one of the two rows is marked.
        for (member, &span) in (self.first..).zip(&self.spans) {
            let edges = uncovered(span, &spans).map(|part| Edge { row: self.rows, from: part.start, to: part.end });
            self.objects.value(member).edges.extend(edges);
        }
        for (member, &span) in (first..).zip(&spans) {
            let edges =
                uncovered(span, &self.spans).map(|part| Edge { row: self.rows, from: part.end, to: part.start });
            self.objects.value(member).edges.extend(edges);
        }
        let mut ended = Vec::new();
        for member in self.first..first {
            // Objects that go on are represented by a member of this row.
            if self.objects.root(member) == member {
                ended.push(std::mem::take(self.objects.value(member)).polygon());
            }
        }
        self.objects.forget(first);
        (self.spans, self.first) = (spans, first);
        self.rows += 1;
        ended
    }

    /// The objects that reach the last row.
    pub fn finish(mut self) -> Vec<Polygon> {
        self.push(&[])
    }
}

impl Object {
    fn merge(&mut self, mut other: Self) {
        self.pixels += other.pixels;
        self.sum += other.sum;
        if self.edges.len() < other.edges.len() {
            std::mem::swap(&mut self.edges, &mut other.edges);
        }
        self.edges.append(&mut other.edges);
    }

    fn polygon(self) -> Polygon {
        Polygon { pixels: self.pixels, mean_probability: self.sum / self.pixels as f64, rings: rings(&self.edges) }
    }
}

/// The parts of a span that none of the others covers.
fn uncovered(span: Span, others: &[Span]) -> impl Iterator<Item = Span> {
    let covering = &others[touching(others, span, 0)];
    let starts = std::iter::once(span.start).chain(covering.iter().map(|other| other.end));
    let ends = covering.iter().map(|other| other.start).chain(std::iter::once(span.end));
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| Span { start, end })
}
