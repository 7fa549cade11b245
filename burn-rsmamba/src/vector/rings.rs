//! Outlines from their horizontal edges.

/// A horizontal edge of an object, directed so that the object is on its left on the screen: below where it runs to the left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) row: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// The closed rings that these edges and the vertical ones between them make, the exterior first.
///
/// The vertical edges follow from the horizontal ones: sorted along a column, the first corner belongs to the second, the third
/// to the fourth. Where two pixels of the object touch in a corner, two of its corners coincide, and the one whose edge has the
/// object below goes up: rings then touch in that point, and none touches itself.
pub(super) fn rings(edges: &[Edge]) -> Vec<Vec<[u32; 2]>> {
    // Corner 2i is where edge i begins, 2i + 1 where it ends.
    let column = |corner: usize| {
        let Edge { row, from, to } = edges[corner / 2];
        (if corner.is_multiple_of(2) { from } else { to }, row, from < to)
    };
    let mut corners: Vec<usize> = (0..2 * edges.len()).collect();
    corners.sort_unstable_by_key(|&corner| column(corner));
    // Each vertical edge leads from the end of a horizontal one to the beginning of the next.
    let mut next = vec![usize::MAX; edges.len()];
    for pair in corners.chunks_exact(2) {
        let (begin, end) = if pair[0].is_multiple_of(2) { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
        next[end / 2] = begin / 2;
    }
    let mut rings = Vec::new();
    for start in 0..edges.len() {
        let (mut ring, mut area) = (Vec::new(), 0);
        let mut edge = start;
        // A visited edge leads nowhere any more.
        while next[edge] != usize::MAX {
            let Edge { row, from, to } = edges[edge];
            ring.extend([[from, row], [to, row]]);
            area += i128::from(row) * (i128::from(to) - i128::from(from));
            edge = std::mem::replace(&mut next[edge], usize::MAX);
        }
        let Some(&first) = ring.first() else { continue };
        ring.push(first);
        rings.push(ring);
        if area > 0 {
            let last = rings.len() - 1;
            rings.swap(0, last);
        }
    }
    rings
}
