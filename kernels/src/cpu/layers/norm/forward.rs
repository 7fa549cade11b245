use super::{
    Affine,
    statistics::{normalised, statistics},
};
use crate::cpu::layers::{
    Rows,
    bands::{Fresh, Vectors, VectorsMut, by_bands, vectors},
    normal::{gelu, silu_and_slope},
};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// What follows the normalisation.
#[derive(Clone, Copy)]
pub(super) enum After<'a> {
    Nothing,
    Gelu,
    Gate(Rows<'a>),
}

pub(super) fn forward(x: Rows<'_>, affine: Affine<'_>, after: After<'_>) -> Vec<f32> {
    affine.check(x.columns());
    let len = x.len() * x.columns();
    let mut y = Vec::new();
    let fresh = Fresh::new(&mut y, len);
    by_bands(x.len(), x.columns(), |rows| {
        Arch::new().dispatch(Forward { x, affine, after, y: &fresh, rows });
    });
    // SAFETY: the bands took every row.
    unsafe { y.set_len(len) };
    y
}

/// Values of a block that stays in the L1 cache between its passes.
const BLOCK: usize = 2048;

/// Cuts rows into blocks.
///
/// GELU then runs over a block at once: within one row it would wait for the row's statistics and end early.
fn blocks(rows: Range<usize>, columns: usize) -> impl Iterator<Item = Range<usize>> {
    let block = (BLOCK / columns).max(1);
    rows.clone().step_by(block).map(move |from| from..rows.end.min(from + block))
}

/// Some rows of the forward pass.
struct Forward<'a> {
    x: Rows<'a>,
    affine: Affine<'a>,
    after: After<'a>,
    y: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.x.columns();
        let (scale, shift) = (Vectors::new(simd, self.affine.scale), Vectors::new(simd, self.affine.shift));
        for block in blocks(self.rows, columns) {
            // SAFETY: the rows of the bands do not overlap.
            let out = unsafe { self.y.part(block.start * columns, block.len() * columns) };
            for (row, out) in block.zip(out.chunks_exact_mut(columns)) {
                let x = Vectors::new(simd, self.x.row(row));
                let stats = statistics(simd, &x, columns, self.affine.epsilon);
                let mut y = VectorsMut::new(simd, out);
                if let After::Gate(gate) = self.after {
                    let gate = Vectors::new(simd, gate.row(row));
                    for i in 0..vectors::<S>(columns) {
                        let x = normalised(simd, x.at(i), stats);
                        let (silu, _) = silu_and_slope(simd, gate.at(i));
                        y.set(i, simd.mul_f32s(simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)), silu));
                    }
                } else {
                    for i in 0..vectors::<S>(columns) {
                        let x = normalised(simd, x.at(i), stats);
                        y.set(i, simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)));
                    }
                }
            }
            if let After::Gelu = self.after {
                let n = vectors::<S>(out.len());
                let mut y = VectorsMut::new(simd, out);
                for i in 0..n {
                    y.set(i, gelu(simd, y.at(i)));
                }
            }
        }
    }
}
