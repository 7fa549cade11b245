use super::{
    Affine, NormGradients,
    statistics::{normalised, statistics},
};
use crate::cpu::layers::{
    Rows, RowsMut,
    bands::{Fresh, Vectors, VectorsMut, by_bands, total, vectors},
    normal::{gelu_and_slope, silu_and_slope},
};
use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// What followed the normalisation, and what its backward pass writes.
#[derive(Clone, Copy)]
pub(super) enum AfterBackward<'a> {
    Nothing,
    Gelu,
    Gate { gate: Rows<'a>, dgate: &'a RowsMut<'a>, y: &'a Fresh<'a> },
}

pub(super) fn backward(x: Rows<'_>, affine: Affine<'_>, after: AfterBackward<'_>, dy: &[f32]) -> NormGradients {
    let columns = x.columns();
    affine.check(columns);
    let len = x.len() * columns;
    assert!(dy.len() == len, "{} gradients for {len} values", dy.len());
    let mut dx = Vec::new();
    let fresh = Fresh::new(&mut dx, len);
    let sums =
        by_bands(x.len(), columns, |rows| Arch::new().dispatch(Backward { x, affine, after, dy, dx: &fresh, rows }));
    // SAFETY: the bands took every row.
    unsafe { dx.set_len(len) };
    NormGradients {
        x: dx,
        scale: total(sums.iter().map(|sums| &sums.0[..]), columns),
        shift: total(sums.iter().map(|sums| &sums.1[..]), columns),
    }
}

/// Some rows of the backward pass; gives their sums for scale and shift, padded.
struct Backward<'a> {
    x: Rows<'a>,
    affine: Affine<'a>,
    after: AfterBackward<'a>,
    dy: &'a [f32],
    dx: &'a Fresh<'a>,
    rows: Range<usize>,
}

impl WithSimd for Backward<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let columns = self.x.columns();
        let n = vectors::<S>(columns);
        let (scale, shift) = (Vectors::new(simd, self.affine.scale), Vectors::new(simd, self.affine.shift));
        let zero = simd.splat_f32s(0.0);
        let mut dscale = vec![0.0; n * S::F32_LANES];
        let mut dshift = dscale.clone();
        let dscales: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut dscale);
        let dshifts: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut dshift);
        let share = simd.splat_f32s(1.0 / columns as f32);
        for row in self.rows {
            let x = Vectors::new(simd, self.x.row(row));
            let dy = Vectors::new(simd, &self.dy[row * columns..][..columns]);
            let stats = statistics(simd, &x, columns, self.affine.epsilon);
            // SAFETY: the rows of the bands do not overlap.
            let mut dx = VectorsMut::new(simd, unsafe { self.dx.part(row * columns, columns) });
            let mut sums = (zero, zero);
            let mut add = (&mut *dscales, &mut *dshifts);
            // First the gradients behind the affine map, then, with their means, those of the row.
            match self.after {
                AfterBackward::Nothing => {
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        dx.set(i, step(simd, i, x, dy.at(i), scale.at(i), &mut sums, &mut add));
                    }
                }
                AfterBackward::Gelu => {
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        let (_, slope) = gelu_and_slope(simd, simd.mul_add_e_f32s(x, scale.at(i), shift.at(i)));
                        let dz = simd.mul_f32s(dy.at(i), slope);
                        dx.set(i, step(simd, i, x, dz, scale.at(i), &mut sums, &mut add));
                    }
                }
                AfterBackward::Gate { gate, dgate, y } => {
                    let gate = Vectors::new(simd, gate.row(row));
                    // SAFETY: as above.
                    let mut dgate = VectorsMut::new(simd, unsafe { dgate.row(row) });
                    // SAFETY: as above.
                    let mut y = VectorsMut::new(simd, unsafe { y.part(row * columns, columns) });
                    for i in 0..n {
                        let x = normalised(simd, x.at(i), stats);
                        let z = simd.mul_add_e_f32s(x, scale.at(i), shift.at(i));
                        let (silu, slope) = silu_and_slope(simd, gate.at(i));
                        let dy = dy.at(i);
                        dgate.set(i, simd.mul_f32s(simd.mul_f32s(dy, z), slope));
                        y.set(i, simd.mul_f32s(z, silu));
                        dx.set(i, step(simd, i, x, simd.mul_f32s(dy, silu), scale.at(i), &mut sums, &mut add));
                    }
                }
            }
            let mean = simd.mul_f32s(simd.splat_f32s(simd.reduce_sum_f32s(sums.0)), share);
            let slope = simd.mul_f32s(simd.splat_f32s(simd.reduce_sum_f32s(sums.1)), share);
            for i in 0..n {
                let x = normalised(simd, x.at(i), stats);
                let centred = simd.sub_f32s(dx.at(i), mean);
                dx.set(i, simd.mul_f32s(simd.negate_mul_add_e_f32s(x, slope, centred), stats.1));
            }
        }
        (dscale, dshift)
    }
}

/// Adds a vector to the sums of its row and columns; gives the gradient of the normalised value.
#[inline(always)]
fn step<S: Simd>(
    simd: S,
    index: usize,
    normalised: S::f32s,
    dz: S::f32s,
    scale: S::f32s,
    sums: &mut (S::f32s, S::f32s),
    (dscale, dshift): &mut (&mut [S::f32s], &mut [S::f32s]),
) -> S::f32s {
    dscale[index] = simd.mul_add_e_f32s(dz, normalised, dscale[index]);
    dshift[index] = simd.add_f32s(dz, dshift[index]);
    let gradient = simd.mul_f32s(dz, scale);
    sums.0 = simd.add_f32s(sums.0, gradient);
    sums.1 = simd.mul_add_e_f32s(gradient, normalised, sums.1);
    gradient
}
