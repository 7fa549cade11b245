use super::{
    narrow,
    orders::{along, back, cross_merge, cross_scan},
    plain, reshape,
};
use crate::scan::ops::{OmniGradientTensors, OmniTensors, OptionalTensor, ScanTensors};
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn_rsmamba_kernels::{Directions, OmniNeeds, ScanNeeds};

/// Omnidirectional form by the book: expand the map, project, scan, merge. `y [B, H, W, D]`.
pub(crate) fn omni_selective_scan<B: Backend>(
    inputs: OmniTensors<B>,
    directions: Directions,
    delta_softplus: bool,
) -> FloatTensor<B> {
    let sizes = Sizes::of::<B>(&inputs);
    let expanded = Expanded::<B>::new(inputs, sizes, directions);
    let (y, _) = plain::selective_scan::<B>(expanded.scan, delta_softplus);
    let Sizes { batch, height, width, channels, .. } = sizes;
    let sequences = reshape::<B, 4>(y, [batch, directions.count(), channels, height * width]);
    to_map::<B>(cross_merge::<B>(sequences, directions, height, width), sizes)
}

/// Gradients of the omnidirectional form for the output gradient `dy [B, H, W, D]`: those that `needs` asks for, each in the shape of its
/// input.
pub fn omni_selective_scan_backward<B: Backend>(
    inputs: OmniTensors<B>,
    dy: FloatTensor<B>,
    directions: Directions,
    delta_softplus: bool,
    needs: OmniNeeds,
) -> OmniGradientTensors<B> {
    let sizes = Sizes::of::<B>(&inputs);
    let Sizes { batch, height, width, channels, states, rank } = sizes;
    let (k, length) = (directions.count(), height * width);
    let expanded = Expanded::<B>::new(inputs, sizes, directions);
    let dy = cross_scan::<B>(B::float_permute(dy, &[0, 3, 1, 2]), directions);
    let dy = reshape::<B, 3>(dy, [batch, k * channels, length]);
    let both = needs.projection || needs.dt_weight;
    let plain_needs = ScanNeeds {
        u: needs.u,
        delta: both,
        a: needs.a,
        b: needs.projection,
        c: needs.projection,
        skip: needs.skip,
        delta_bias: needs.delta_bias,
    };
    let plain = plain::selective_scan_backward::<B>(expanded.scan, dy, delta_softplus, plain_needs);

    let du = plain.u.into_option().map(|du| {
        let sequences = reshape::<B, 4>(du, [batch, k, channels, length]);
        to_map::<B>(cross_merge::<B>(sequences, directions, height, width), sizes)
    });
    let ddelta = plain.delta.into_option().map(|ddelta| reshape::<B, 4>(ddelta, [batch, k, channels, length]));
    let ddt_weight = ddelta.clone().filter(|_| needs.dt_weight).map(|ddelta| {
        // [B, K, D, L] x [B, K, L, R], summed over the batch
        let product = B::float_matmul(ddelta, B::float_swap_dims(expanded.dt_low, 2, 3));
        reshape::<B, 3>(B::float_sum_dim(product, 0), [k, channels, rank])
    });
    let dprojection = ddelta.filter(|_| needs.projection).map(|ddelta| {
        let weight = reshape::<B, 4>(expanded.dt_weight, [1, k, channels, rank]);
        let dlow = B::float_matmul(B::float_swap_dims(weight, 2, 3), ddelta);
        let expected = "asked for with `projection`";
        let (db, dc) = (plain.b.into_option().expect(expected), plain.c.into_option().expect(expected));
        let rows = B::float_cat(vec![dlow, db, dc], 2);
        // each direction goes back to pixel order by itself
        let maps = directions.orders().iter().enumerate().map(|(k, &order)| {
            let rows = narrow::<B>(rows.clone(), 1, k, 1);
            merge_rows::<B>(rows, order, sizes, rank + 2 * states)
        });
        B::float_cat(maps.collect(), 3)
    });
    OmniGradientTensors {
        u: OptionalTensor::from(du),
        projection: OptionalTensor::from(dprojection),
        dt_weight: OptionalTensor::from(ddt_weight),
        a: plain.a,
        skip: plain.skip,
        delta_bias: plain.delta_bias,
    }
}

/// One direction's rows `[B, 1, R + 2 N, L]` at their pixels, `[B, H, W, 1, R + 2 N]`.
fn merge_rows<B: Backend>(rows: FloatTensor<B>, order: usize, sizes: Sizes, row: usize) -> FloatTensor<B> {
    let Sizes { batch, height, width, .. } = sizes;
    let rows = reshape::<B, 3>(rows, [batch, row, height * width]);
    let pixels = back::<B>(rows, order, height, width);
    reshape::<B, 5>(B::float_swap_dims(pixels, 1, 2), [batch, height, width, 1, row])
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    states: usize,
    rank: usize,
}

impl Sizes {
    fn of<B: Backend>(inputs: &OmniTensors<B>) -> Self {
        let [batch, height, width, channels] = inputs.u.shape().dims();
        let (states, rank) = (inputs.a.shape()[1], inputs.dt_weight.shape()[2]);
        Self { batch, height, width, channels, states, rank }
    }
}

/// `[B, D, L]` in pixel order as a channel-last map.
fn to_map<B: Backend>(pixels: FloatTensor<B>, sizes: Sizes) -> FloatTensor<B> {
    let Sizes { batch, height, width, channels, .. } = sizes;
    reshape::<B, 4>(B::float_swap_dims(pixels, 1, 2), [batch, height, width, channels])
}

/// The operands of the plain form, one group a direction.
struct Expanded<B: Backend> {
    scan: ScanTensors<B>,
    /// `[B, K, R, L]`
    dt_low: FloatTensor<B>,
    /// `[K, D, R]`
    dt_weight: FloatTensor<B>,
}

impl<B: Backend> Expanded<B> {
    fn new(inputs: OmniTensors<B>, sizes: Sizes, directions: Directions) -> Self {
        let Sizes { batch, height, width, channels, states, rank } = sizes;
        let (k, length, row) = (directions.count(), height * width, rank + 2 * states);
        let u = cross_scan::<B>(B::float_permute(inputs.u, &[0, 3, 1, 2]), directions);
        // the rows of direction k, along path k
        let sequences = (0..k).map(|index| {
            let rows = narrow::<B>(inputs.projection.clone(), 3, index, 1);
            let pixels = B::float_swap_dims(reshape::<B, 3>(rows, [batch, length, row]), 1, 2);
            let sequence = along::<B>(pixels, directions.orders()[index], height, width);
            reshape::<B, 4>(sequence, [batch, 1, row, length])
        });
        let rows = B::float_cat(sequences.collect(), 1);
        let dt_low = narrow::<B>(rows.clone(), 2, 0, rank);
        let weight = reshape::<B, 4>(inputs.dt_weight.clone(), [1, k, channels, rank]);
        let delta = B::float_matmul(weight, dt_low.clone());
        Self {
            scan: ScanTensors {
                u: reshape::<B, 3>(u, [batch, k * channels, length]),
                delta: reshape::<B, 3>(delta, [batch, k * channels, length]),
                a: inputs.a,
                b: narrow::<B>(rows.clone(), 2, rank, states),
                c: narrow::<B>(rows, 2, rank + states, states),
                skip: inputs.skip,
                delta_bias: inputs.delta_bias,
            },
            dt_low,
            dt_weight: inputs.dt_weight,
        }
    }
}
