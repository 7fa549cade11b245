use cubecl::prelude::*;

const FRAC_1_SQRT_2: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// `1 / sqrt(2 pi)`
const NORMAL_DENSITY: f32 = 0.398_942_3;

/// The normal distribution function, `(1 + erf(x / sqrt 2)) / 2`.
#[cube]
pub(crate) fn normal(x: f32) -> f32 {
    Erf::erf(x * FRAC_1_SQRT_2) * 0.5f32 + 0.5f32
}

/// Derivative of GELU.
#[cube]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    normal(x) + x * (x * x * -0.5f32).exp() * NORMAL_DENSITY
}

/// `GELU(before + bias)`, by the error function. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn bias_gelu(before: &[f32], bias: &[f32], after: &mut [f32], elements: usize, columns: usize) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let x = before[ABSOLUTE_POS] + bias[ABSOLUTE_POS % columns];
    after[ABSOLUTE_POS] = x * normal(x);
}

/// The result of [`bias_gelu`] once more, and in the place of its gradient the gradient of `before`.
#[cube(launch_unchecked)]
pub(crate) fn bias_gelu_slope(
    before: &[f32],
    bias: &[f32],
    gradient: &mut [f32],
    after: &mut [f32],
    elements: usize,
    columns: usize,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let x = before[ABSOLUTE_POS] + bias[ABSOLUTE_POS % columns];
    after[ABSOLUTE_POS] = x * normal(x);
    gradient[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * gelu_slope(x);
}

/// `y = x + scale (branch + bias)`, the scale one a sample of `sample` elements. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn add_scaled(
    x: &[f32],
    branch: &[f32],
    bias: &[f32],
    scale: &[f32],
    y: &mut [f32],
    elements: usize,
    columns: usize,
    sample: usize,
    #[comptime] has_bias: bool,
    #[comptime] has_scale: bool,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let mut value = branch[ABSOLUTE_POS];
    if has_bias {
        value += bias[ABSOLUTE_POS % columns];
    }
    if has_scale {
        value *= scale[ABSOLUTE_POS / sample];
    }
    y[ABSOLUTE_POS] = x[ABSOLUTE_POS] + value;
}

/// `y = scale x`, the scale one a sample of `sample` elements. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn scale_rows(x: &[f32], scale: &[f32], y: &mut [f32], elements: usize, sample: usize) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    y[ABSOLUTE_POS] = x[ABSOLUTE_POS] * scale[ABSOLUTE_POS / sample];
}

/// `out = x + bias`, for the rows from element `first` of the result on. A unit owns an element of `x`.
#[cube(launch_unchecked)]
pub(crate) fn place_rows(
    x: &[f32],
    bias: &[f32],
    out: &mut [f32],
    first: usize,
    elements: usize,
    columns: usize,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let mut value = x[ABSOLUTE_POS];
    if has_bias {
        value += bias[ABSOLUTE_POS % columns];
    }
    out[first + ABSOLUTE_POS] = value;
}
