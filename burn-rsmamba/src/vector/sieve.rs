//! The minimum mapping unit.

use std::collections::VecDeque;

use super::forest::Forest;
use super::{Class, Run, Span, joined, runs, touching};

/// Removes objects that are too small and, if wanted, fills holes that are too small, row by row.
///
/// Objects are 4-connected. Holes are what an object then encloses: 8-connected pixels that are not marked, reach neither the
/// border of the scene nor a pixel without data, and are smaller. Pixels without data stay as they are.
///
/// A row is held back until the size of everything in it is known: fewer than `least` rows, twice as many where holes are filled.
#[derive(Debug)]
pub struct Sieve {
    /// Each takes the rows of the one before.
    stages: Vec<Stage>,
}

impl Sieve {
    /// Objects, and holes where they are filled, have at least `least` pixels afterwards.
    pub fn new(least: u64, fill_holes: bool) -> Self {
        let objects = Stage::new(Kind::Objects, least);
        Self { stages: std::iter::once(objects).chain(fill_holes.then(|| Stage::new(Kind::Holes, least))).collect() }
    }

    /// Takes the next row; gives those that are finished.
    pub fn push(&mut self, row: Vec<Run>) -> Vec<Vec<Run>> {
        self.stages.iter_mut().fold(vec![row], Stage::push_all)
    }

    /// The rows that were held back.
    pub fn finish(mut self) -> Vec<Vec<Run>> {
        self.stages.iter_mut().fold(Vec::new(), |rows, stage| {
            let mut rows = Stage::push_all(rows, stage);
            rows.extend(stage.finish());
            rows
        })
    }
}

/// A mask in memory, row-major and `width` pixels wide, after a [`Sieve`].
///
/// ```
/// use burn_rsmamba::vector::sieved;
///
/// let mask = [true, true, false, true];
/// assert_eq!(sieved(&mask, 4, 2, false), [true, true, false, false]);
/// ```
///
/// # Panics
///
/// When `width` is zero.
pub fn sieved(mask: &[bool], width: usize, least: u64, fill_holes: bool) -> Vec<bool> {
    let mut sieve = Sieve::new(least, fill_holes);
    let class = |&marked: &bool| (if marked { Class::Marked } else { Class::Background }, 0.0);
    let mut rows: Vec<Vec<Run>> = mask.chunks(width).flat_map(|row| sieve.push(runs(row.iter().map(class)))).collect();
    rows.extend(sieve.finish());
    let pixels = |run: &Run| std::iter::repeat_n(run.class == Class::Marked, (run.end - run.start) as usize);
    rows.iter().flatten().flat_map(pixels).collect()
}

/// What a stage sorts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Objects,
    Holes,
}

impl Kind {
    fn holds(self, class: Class) -> bool {
        (class == Class::Marked) == (self == Self::Objects)
    }

    /// What a pixel of something small becomes.
    fn replaced(self) -> Class {
        match self {
            Self::Objects => Class::Background,
            Self::Holes => Class::Marked,
        }
    }

    /// Whether things reach each other over a corner: holes do, as objects don't.
    fn reach(self) -> u32 {
        u32::from(self == Self::Holes)
    }
}

#[derive(Debug)]
struct Stage {
    kind: Kind,
    least: u64,
    /// The pixels of each thing, a member a span. What reaches the border or lacks data counts as of any size.
    sizes: Forest<u64>,
    /// Rows held back.
    waiting: VecDeque<Row>,
    /// The spans of the latest row, held back or not, and the member of the first.
    spans: Vec<Span>,
    first: usize,
    begun: bool,
}

#[derive(Debug)]
struct Row {
    runs: Vec<Run>,
    /// The members of its spans.
    first: usize,
    count: usize,
}

impl Stage {
    fn new(kind: Kind, least: u64) -> Self {
        let (sizes, waiting, spans) = (Forest::default(), VecDeque::new(), Vec::new());
        Self { kind, least, sizes, waiting, spans, first: 0, begun: false }
    }

    fn push_all(rows: Vec<Vec<Run>>, stage: &mut Self) -> Vec<Vec<Run>> {
        rows.into_iter().flat_map(|row| stage.push(row)).collect()
    }

    fn push(&mut self, runs: Vec<Run>) -> Vec<Vec<Run>> {
        let first = self.sizes.next();
        let spans = self.add(&runs);
        for (member, &span) in (first..).zip(&spans) {
            for above in touching(&self.spans, span, self.kind.reach()) {
                self.sizes.join(self.first + above, member, |size, other| *size = size.saturating_add(other));
            }
        }
        self.waiting.push_back(Row { runs, first, count: spans.len() });
        (self.spans, self.first, self.begun) = (spans, first, true);
        self.finished(first)
    }

    fn finish(&mut self) -> Vec<Vec<Run>> {
        if self.kind == Kind::Holes {
            for member in self.first..self.first + self.spans.len() {
                *self.sizes.value(member) = u64::MAX;
            }
        }
        self.finished(self.sizes.next())
    }

    /// Adds a member for each span of neighbouring runs that the stage holds.
    fn add(&mut self, runs: &[Run]) -> Vec<Span> {
        let width = runs.last().map_or(0, |run| run.end);
        let parts = runs.chunk_by(|left, right| self.kind.holds(left.class) && self.kind.holds(right.class));
        let mut spans = Vec::new();
        for part in parts.filter(|part| self.kind.holds(part[0].class)) {
            let span = Span { start: part[0].start, end: part[part.len() - 1].end };
            let at_border = !self.begun || span.start == 0 || span.end == width;
            let open = at_border || part.iter().any(|run| run.class == Class::NoData);
            let size = if self.kind == Kind::Holes && open { u64::MAX } else { u64::from(span.end - span.start) };
            self.sizes.add(size);
            spans.push(span);
        }
        spans
    }

    /// Rows of which every thing is large enough or has ended: none of its members is `newest` or later.
    fn finished(&mut self, newest: usize) -> Vec<Vec<Run>> {
        let mut rows = Vec::new();
        while let Some(row) = self.waiting.front() {
            let members = row.first..row.first + row.count;
            if members.clone().any(|member| self.sizes.root(member) >= newest && *self.sizes.value(member) < self.least)
            {
                break;
            }
            let Some(Row { runs, .. }) = self.waiting.pop_front() else { break };
            rows.push(self.sifted(runs, members.start));
        }
        self.sizes.forget(self.waiting.front().map_or(self.first, |row| row.first));
        rows
    }

    /// A row without what is too small.
    fn sifted(&mut self, runs: Vec<Run>, first: usize) -> Vec<Run> {
        let (mut next, mut inside) = (first, false);
        joined(runs.into_iter().map(|run| {
            if !self.kind.holds(run.class) {
                inside = false;
                return run;
            }
            next += usize::from(!inside);
            inside = true;
            let small = *self.sizes.value(next - 1) < self.least;
            if small { Run { class: self.kind.replaced(), ..run } } else { run }
        }))
    }
}
