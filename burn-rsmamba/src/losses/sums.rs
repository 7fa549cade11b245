//! Sums that do not depend on the number of threads: one huge sum on Flex adds in an order that does.

use burn::Tensor;

/// Sum of all elements, row by row first.
pub(super) fn total(x: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch * channels * height, width]).sum_dim(1).sum()
}

/// Sum over batch, rows and columns: `[B, K, H, W]` to `[K]`, row by row first.
pub(super) fn by_class(x: Tensor<4>) -> Tensor<1> {
    let [_, classes, ..] = x.dims();
    x.sum_dim(3).sum_dim(2).sum_dim(0).reshape([classes])
}
