use cubecl::prelude::*;

/// Neighbouring columns that a cube works on side by side.
pub(crate) const LANES: usize = 32;
/// Rows that a cube works on at the same time, or sums of them.
pub(crate) const SUBS: usize = 8;

/// Some columns of a matrix: column `c` of row `r` lies at `r * pitch + offset + c`.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) pitch: usize,
    pub(crate) offset: usize,
}

#[cube]
impl Columns {
    pub(crate) fn row(&self, row: usize) -> usize {
        row * self.pitch + self.offset
    }
}

/// Sum over the [`LANES`] units of a row of what each holds. `found` has a place for every unit of the cube, and is free again after
/// the next barrier.
#[cube]
pub(crate) fn sum_lanes(value: f32, sub: usize, lane: usize, found: &mut Shared<[f32]>) -> f32 {
    found[sub * LANES + lane] = value;
    sync_cube();
    let mut sums = Array::<f32>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        sums[i] = 0.0f32;
    }
    #[unroll]
    for four in 0..comptime!(LANES / 4) {
        #[unroll]
        for i in 0..4usize {
            sums[i] = sums[i] + found[sub * LANES + 4 * four + i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Sum over the [`SUBS`] units of a column of what each holds; the first of them gets it. `found` as in [`sum_lanes`].
#[cube]
pub(crate) fn sum_subs(value: f32, sub: usize, lane: usize, found: &mut Shared<[f32]>) -> f32 {
    found[sub * LANES + lane] = value;
    sync_cube();
    let mut sum = 0.0f32;
    if sub == 0 {
        #[unroll]
        for other in 0..SUBS {
            sum += found[other * LANES + lane];
        }
    }
    sum
}

/// `1 / (1 + exp(-x))`, of an exponential that cannot overflow.
#[cube]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let t = (select::<f32>(x < 0.0f32, x, -x)).exp();
    select::<f32>(x < 0.0f32, t, f32::new(1.0f32)) / (t + 1.0f32)
}

/// Derivative of `x sigmoid(x)` where `s` is `sigmoid(x)`.
#[cube]
pub(crate) fn silu_slope(x: f32, s: f32) -> f32 {
    s * (x * (1.0f32 - s) + 1.0f32)
}
