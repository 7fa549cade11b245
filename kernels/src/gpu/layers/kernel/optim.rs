use super::rows::{LANES, SUBS, sum_lanes, sum_subs};
use cubecl::prelude::*;

/// Cubes that share a tensor of several.
pub(crate) const TENSOR_PARTS: usize = 32;

/// Which of several tensors a cube works on, and on which part of it.
#[cube]
fn tensor_and_part() -> (usize, usize) {
    (CUBE_POS / TENSOR_PARTS, CUBE_POS % TENSOR_PARTS)
}

/// The first element of a unit in its tensor; units of all parts take every [`STEP`]th from there.
#[cube]
fn first_element(part: usize) -> usize {
    part * comptime!(LANES * SUBS) + UNIT_POS_X as usize
}

const STEP: usize = LANES * SUBS * TENSOR_PARTS;

/// Sums of the squares of tensors, each over some of their elements: `[TENSOR_PARTS, tensors]`. Their numbers of elements come along, since
/// the length of a buffer is that of its memory.
#[cube(launch_unchecked)]
pub(crate) fn sum_squares(tensors: &Sequence<Box<[f32]>>, lens: &Sequence<usize>, parts: &mut [f32]) {
    let count = tensors.len();
    if CUBE_POS >= comptime!(count * TENSOR_PARTS) {
        terminate!();
    }
    let (lane, sub) = (UNIT_POS_X as usize % LANES, UNIT_POS_X as usize / LANES);
    let (tensor, part) = tensor_and_part();
    let mut sum = 0.0f32;
    #[unroll]
    for index in 0..count {
        if tensor == index {
            let x = &tensors[index];
            let mut element = first_element(part);
            while element < *lens.index(index) {
                sum += x[element] * x[element];
                element += STEP;
            }
        }
    }
    let mut of_columns = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let mut of_rows = Shared::<[f32]>::new_slice(comptime!(LANES * SUBS));
    let sum = sum_subs(sum, sub, lane, &mut of_columns);
    // units of other rows hold nothing, and all meet at the barrier
    let sum = sum_lanes(sum, sub, lane, &mut of_rows);
    if UNIT_POS_X == 0 {
        parts[part * count + tensor] = sum;
    }
}

/// Multiplies tensors by a factor, in their place.
#[cube(launch_unchecked)]
pub(crate) fn scale_tensors(tensors: &mut Sequence<Box<[f32]>>, lens: &Sequence<usize>, factor: f32) {
    let count = tensors.len();
    if CUBE_POS >= comptime!(count * TENSOR_PARTS) {
        terminate!();
    }
    let (tensor, part) = tensor_and_part();
    #[unroll]
    for index in 0..count {
        if tensor == index {
            let x = tensors.index_mut(index);
            let mut element = first_element(part);
            while element < *lens.index(index) {
                x[element] = x[element] * factor;
                element += STEP;
            }
        }
    }
}

/// What a step of AdamW is made of, beside its tensors.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(crate) struct AdamWFactors {
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    /// `1 - beta_1^t`
    pub(crate) bias_1: f32,
    /// `1 - beta_2^t`
    pub(crate) bias_2: f32,
    pub(crate) epsilon: f32,
    pub(crate) learning_rate: f32,
    /// `1 - learning rate * weight decay`
    pub(crate) decay: f32,
}

/// A step of AdamW on one parameter, in its place and in that of its moments, which in the first step hold nothing. A unit owns an element.
#[cube(launch_unchecked)]
pub(crate) fn adamw_step(
    gradient: &[f32],
    parameter: &mut [f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    factors: AdamWFactors,
    elements: usize,
    #[comptime] first: bool,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let slope = gradient[ABSOLUTE_POS];
    let mut mean = slope * (1.0f32 - factors.beta_1);
    let mut square = slope * slope * (1.0f32 - factors.beta_2);
    if !first {
        mean += moment_1[ABSOLUTE_POS] * factors.beta_1;
        square += moment_2[ABSOLUTE_POS] * factors.beta_2;
    }
    moment_1[ABSOLUTE_POS] = mean;
    moment_2[ABSOLUTE_POS] = square;
    let step = mean / factors.bias_1 / ((square / factors.bias_2).sqrt() + factors.epsilon);
    parameter[ABSOLUTE_POS] = parameter[ABSOLUTE_POS] * factors.decay - step * factors.learning_rate;
}
