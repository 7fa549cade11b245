use crate::gpu::scan::blueprint::Powers;
use cubecl::prelude::*;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
const LN_2: f32 = std::f32::consts::LN_2;

/// Longest low-rank step whose weights stay in registers: an array indexed in an unrolled loop is one, otherwise it is memory.
pub(crate) const UNROLLED: usize = 64;

/// Row `row` of `values` `[.., width]` in registers; one zero where rows are empty.
#[cube]
pub(crate) fn load_row(values: &[f32], row: usize, #[comptime] width: usize) -> Array<f32> {
    let size = comptime!(if width == 0 { 1usize } else { width });
    let mut loaded = Array::<f32>::new(size);
    loaded[0] = 0.0f32;
    #[unroll(width <= UNROLLED)]
    for i in 0..width {
        loaded[i] = values[row * width + i];
    }
    loaded
}

/// The sum of `a[a_first + i * a_stride] * b[b_first + i]` over `count` elements, in four sums side by side.
///
/// The loop stays one where `a` is memory: where it is registers, `unroll` says so.
#[cube]
pub(crate) fn dot(
    a: &[f32],
    a_first: usize,
    a_stride: usize,
    b: &[f32],
    b_first: usize,
    #[comptime] count: usize,
    #[comptime] unroll: bool,
) -> f32 {
    let mut sums = Array::<f32>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        sums[i] = 0.0f32;
    }
    #[unroll(unroll)]
    for four in 0..comptime!(count / 4) {
        #[unroll]
        for i in 0..4usize {
            let at = 4 * four + i;
            sums[i] = sums[i] + a[a_first + at * a_stride] * b[b_first + at];
        }
    }
    #[unroll]
    for i in 0..comptime!(count % 4) {
        let at = i + comptime!(count / 4 * 4);
        sums[i] = sums[i] + a[a_first + at * a_stride] * b[b_first + at];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The sum of `count` neighbours, in four sums side by side.
#[cube]
pub(crate) fn sum_of(values: &[f32], first: usize, #[comptime] count: usize) -> f32 {
    let mut sums = Array::<f32>::new(4usize);
    #[unroll]
    for i in 0..4usize {
        sums[i] = 0.0f32;
    }
    for four in 0..comptime!(count / 4) {
        #[unroll]
        for i in 0..4usize {
            sums[i] = sums[i] + values[first + 4 * four + i];
        }
    }
    #[unroll]
    for i in 0..comptime!(count % 4) {
        sums[i] = sums[i] + values[first + i + comptime!(count / 4 * 4)];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The step `dt`.
#[cube]
pub(crate) fn step_size(x: f32, #[comptime] softplus: bool, #[comptime] powers: Powers) -> f32 {
    if softplus { softplus_of(x, powers) } else { x }
}

/// Derivative of [`step_size`].
#[cube]
pub(crate) fn step_slope(x: f32, #[comptime] softplus: bool, #[comptime] powers: Powers) -> f32 {
    if softplus { softplus_slope(x, powers) } else { f32::new(1.0f32) }
}

/// `max(x, 0) + ln(1 + t)` with `t = exp(-|x|)`, and `ln(1 + t) = t q(t)` with the minimax polynomial of the CPU kernels
/// (truncation 4e-8). Above 20 this is `x` to f32, as in PyTorch; `t` is NaN where `x` is.
#[cube]
fn softplus_of(x: f32, #[comptime] powers: Powers) -> f32 {
    let t = exp_neg_abs(x, powers);
    let q = t * 0.005_364_824f32 - 0.030_065_792f32;
    let q = q * t + 0.079_204_54f32;
    let q = q * t - 0.137_538_03f32;
    let q = q * t + 0.191_536_55f32;
    let q = q * t - 0.248_571_63f32;
    let q = q * t + 0.333_213_24f32;
    let q = q * t - 0.499_996_48f32;
    let q = q * t + 1.0f32;
    q * t + select::<f32>(x > 0.0f32, x, f32::new(0.0f32))
}

#[cube]
fn softplus_slope(x: f32, #[comptime] powers: Powers) -> f32 {
    let t = exp_neg_abs(x, powers);
    select::<f32>(x < 0.0f32, t, f32::new(1.0f32)) / (t + 1.0f32)
}

/// `exp(-|x|)`, which cannot overflow: some shading languages leave infinities undefined.
#[cube]
fn exp_neg_abs(x: f32, #[comptime] powers: Powers) -> f32 {
    decay_of(select::<f32>(x < 0.0f32, x, -x), rate_of(f32::new(1.0f32), powers), powers)
}

/// What `a` is kept as for [`decay_of`].
#[cube]
pub(crate) fn rate_of(a: f32, #[comptime] powers: Powers) -> f32 {
    match comptime!(powers) {
        Powers::OfE => a,
        Powers::OfTwo => a * f32::new(LOG2_E),
    }
}

/// The number that a rate was made of is this many times the rate.
#[cube]
pub(crate) fn rate_unit(#[comptime] powers: Powers) -> f32 {
    match comptime!(powers) {
        Powers::OfE => f32::new(1.0f32),
        Powers::OfTwo => f32::new(LN_2),
    }
}

/// `exp(dt * a)`, from the rate of `a`.
#[cube]
pub(crate) fn decay_of(dt: f32, rate: f32, #[comptime] powers: Powers) -> f32 {
    match comptime!(powers) {
        Powers::OfE => (dt * rate).exp(),
        Powers::OfTwo => power_of_two(dt * rate),
    }
}

/// One instruction, to 2 units in the last place; what would be denormal is 0.
#[cube]
fn power_of_two(x: f32) -> f32 {
    let power: f32;
    gpu_asm!("ex2.approx.ftz.f32 {}, {};", out(_) power, in(_) x, options(pure, nomem));
    power
}
