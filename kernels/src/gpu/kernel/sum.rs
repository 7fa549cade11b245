use cubecl::prelude::*;

/// Adds `count` partial results that lie `stride` apart, in order.
///
/// Element `i = outer * inner_count + inner` of the result is read at `offset + outer * outer_stride + inner *
/// inner_stride`, which also transposes. A unit owns one element.
#[cube(launch_unchecked)]
pub(crate) fn sum_parts<O: Float>(
    parts: &[f32],
    out: &mut [O],
    elements: usize,
    count: usize,
    stride: usize,
    offset: usize,
    inner_count: usize,
    outer_stride: usize,
    inner_stride: usize,
    #[define(O)] _element: ElemType,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let outer = ABSOLUTE_POS / inner_count;
    let inner = ABSOLUTE_POS % inner_count;
    let base = offset + outer * outer_stride + inner * inner_stride;
    let mut sum = 0.0f32;
    for part in 0..count {
        sum += parts[base + part * stride];
    }
    out[ABSOLUTE_POS] = O::cast_from(sum);
}
