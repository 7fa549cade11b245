use super::{narrow, reshape};
use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::TensorData,
};
use burn_rsmamba_kernels::Directions;

/// The map along every direction: `[B, C, H, W]` to `[B, K, C, L]`.
pub(crate) fn cross_scan<B: Backend>(map: FloatTensor<B>, directions: Directions) -> FloatTensor<B> {
    let [batch, channels, height, width] = map.shape().dims();
    let pixels = reshape::<B, 3>(map, [batch, channels, height * width]);
    let sequences = directions.orders().iter().map(|&order| {
        let sequence = along::<B>(pixels.clone(), order, height, width);
        reshape::<B, 4>(sequence, [batch, 1, channels, height * width])
    });
    B::float_cat(sequences.collect(), 1)
}

/// Every direction's sequence back at its pixels, summed: `[B, K, C, L]` to `[B, C, L]`.
pub(crate) fn cross_merge<B: Backend>(
    sequences: FloatTensor<B>,
    directions: Directions,
    height: usize,
    width: usize,
) -> FloatTensor<B> {
    let [batch, _, channels, length] = sequences.shape().dims();
    directions
        .orders()
        .iter()
        .enumerate()
        .map(|(k, &order)| {
            let sequence = narrow::<B>(sequences.clone(), 1, k, 1);
            back::<B>(reshape::<B, 3>(sequence, [batch, channels, length]), order, height, width)
        })
        .reduce(|sum, direction| B::float_add(sum, direction))
        .expect("a direction set is never empty")
}

/// Pixels `[B, C, L]` in the order in which a direction visits them.
pub(super) fn along<B: Backend>(pixels: FloatTensor<B>, order: usize, height: usize, width: usize) -> FloatTensor<B> {
    select::<B>(pixels, Directions::path(order, height, width))
}

/// A direction's sequence `[B, C, L]` back in pixel order: the inverse of [`along`].
pub(super) fn back<B: Backend>(sequence: FloatTensor<B>, order: usize, height: usize, width: usize) -> FloatTensor<B> {
    let mut position = vec![0; height * width];
    for (l, pixel) in Directions::path(order, height, width).into_iter().enumerate() {
        position[pixel as usize] = l as u32;
    }
    select::<B>(sequence, position)
}

fn select<B: Backend>(tensor: FloatTensor<B>, indices: Vec<u32>) -> FloatTensor<B> {
    let indices: Vec<i32> = indices.into_iter().map(|index| index as i32).collect();
    let len = indices.len();
    let indices = B::int_from_data(TensorData::new(indices, [len]), &tensor.device());
    B::float_select(tensor, 2, indices)
}
