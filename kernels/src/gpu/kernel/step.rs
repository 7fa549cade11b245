use crate::gpu::blueprint::Powers;
use cubecl::prelude::*;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
const LN_2: f32 = std::f32::consts::LN_2;

/// Longest row that stays in registers: an array indexed in an unrolled loop is one, otherwise it is memory.
const UNROLLED: usize = 32;

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

/// The step before softplus: bias plus the ready step at `at`, or plus the low-rank step that starts there.
#[cube]
pub(crate) fn raw_step<F: Float>(
    step: &[F], // [B, G * D, L] or rows of R
    at: usize,
    weight: &Array<f32>, // [R]
    bias: f32,
    #[comptime] rank: usize,
) -> f32 {
    let mut x = bias;
    if rank == 0 {
        x = x + f32::cast_from(step[at]);
    } else {
        #[unroll(rank <= UNROLLED)]
        for r in 0..rank {
            x = x + weight[r] * f32::cast_from(step[at + r]);
        }
    }
    x
}

/// The step `dt`.
#[cube]
pub(crate) fn step_size(x: f32, #[comptime] softplus: bool) -> f32 {
    if softplus { softplus_of(x) } else { x }
}

/// Derivative of [`step_size`].
#[cube]
pub(crate) fn step_slope(x: f32, #[comptime] softplus: bool) -> f32 {
    if softplus { softplus_slope(x) } else { f32::new(1.0f32) }
}

/// `ln(1 + exp(x))`, linear above 20 as in PyTorch.
#[cube]
fn softplus_of(x: f32) -> f32 {
    // The exponential of at most 20 cannot overflow: some shading languages leave infinities undefined.
    let e = select::<f32>(x > 20.0f32, f32::new(20.0f32), x).exp();
    // Adding a small `e` to 1 loses its last digits: below 1/16 the first six terms of the series are exact to f32.
    let series =
        e * (1.0f32 - e * (0.5f32 - e * (0.333_333_34f32 - e * (0.25f32 - e * (0.2f32 - e * 0.166_666_67f32)))));
    let logarithm = select::<f32>(e < 0.0625f32, series, (e + 1.0f32).ln());
    select::<f32>(x > 20.0f32, x, logarithm)
}

#[cube]
fn softplus_slope(x: f32) -> f32 {
    let e = select::<f32>(x > 20.0f32, f32::new(20.0f32), x).exp();
    select::<f32>(x > 20.0f32, f32::new(1.0f32), e / (e + 1.0f32))
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
