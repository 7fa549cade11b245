use crate::gpu::scan::blueprint::{ParameterSums, WantedParameters};
use cubecl::prelude::*;

/// Adds `count` partial results that lie `stride` apart, from `offset` on, in order. A unit owns one element.
#[cube(launch_unchecked)]
pub(crate) fn sum_parts<O: Float>(
    parts: &[f32],
    out: &mut [O],
    elements: usize,
    count: usize,
    stride: usize,
    offset: usize,
    #[define(O)] _element: ElemType,
) {
    if ABSOLUTE_POS >= elements {
        terminate!();
    }
    let mut sum = 0.0f32;
    for part in 0..count {
        sum += parts[offset + ABSOLUTE_POS + part * stride];
    }
    out[ABSOLUTE_POS] = O::cast_from(sum);
}

/// Adds up the partial gradients of all parameters and lays each out like its parameter.
///
/// A cube owns some channels' gradients of one field; units share the parts out among themselves, and add up what each found in
/// order.
#[cube(launch_unchecked)]
pub(crate) fn sum_parameters(
    parts: &[f32],      // [P, N + 2 + R, G * D]
    a: &mut [f32],      // [G * D, N]
    skip: &mut [f32],   // [G * D]
    bias: &mut [f32],   // [G * D]
    weight: &mut [f32], // [G * D, R]
    count: usize,       // P
    channels: usize,    // G * D
    cubes: usize,
    #[comptime] sums: ParameterSums,
    #[comptime] wanted: WantedParameters,
) {
    if CUBE_POS >= cubes {
        terminate!();
    }
    let ParameterSums { states, rank, lanes, groups } = comptime!(sums);
    let fields = comptime!(sums.fields());
    let tiles = channels.div_ceil(lanes);
    let field = CUBE_POS / tiles;
    let (lane, sub) = (UNIT_POS_X as usize % lanes, UNIT_POS_X as usize / lanes);
    let channel = CUBE_POS % tiles * lanes + lane;
    let at = field * channels + select::<usize>(channel < channels, channel, channels - 1);
    let mut sum = 0.0f32;
    let mut part = sub;
    while part < count {
        sum += parts[part * fields * channels + at];
        part += groups;
    }
    let mut found = Shared::<[f32]>::new_slice(comptime!(sums.lanes * sums.groups));
    found[UNIT_POS_X as usize] = sum;
    sync_cube();
    if sub == 0 && channel < channels {
        let mut total = 0.0f32;
        for other in 0..groups {
            total += found[other * lanes + lane];
        }
        if field < states {
            if wanted.a {
                a[channel * states + field] = total;
            }
        } else if field == states {
            if wanted.skip {
                skip[channel] = total;
            }
        } else if field == states + 1 {
            if wanted.bias {
                bias[channel] = total;
            }
        } else {
            if wanted.weight {
                weight[channel * rank + field - states - 2] = total;
            }
        }
    }
}
