use super::node::{Kept, NativeLayer, Operands, Wanted, operand, run};
use burn::Tensor;
use burn_rsmamba_kernels::cpu::layers::{self, Affine, Rows};

/// Scale and shift of a normalisation, `[C]` each.
pub(crate) struct Norm {
    pub(crate) scale: Tensor<1>,
    pub(crate) shift: Tensor<1>,
    pub(crate) epsilon: f32,
}

/// The normalisation whose scale and shift are the operands from `index` on.
pub(super) fn affine(operands: &Operands, index: usize, epsilon: f32) -> Affine<'_> {
    Affine { scale: operands.values(index), shift: operands.values(index + 1), epsilon }
}

/// Layer normalisation of `[B, H, W, C]` over its channels, then GELU where `gelu`.
pub(crate) fn layer_norm(x: &Tensor<4>, norm: &Norm, gelu: bool) -> Tensor<4> {
    let layer = LayerNorm { epsilon: norm.epsilon, gelu };
    run(layer, [operand(x), operand(&norm.scale), operand(&norm.shift)])
}

#[derive(Debug)]
struct LayerNorm {
    epsilon: f32,
    gelu: bool,
}

impl NativeLayer for LayerNorm {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let dims: [usize; 4] = operands.dims(0);
        let x = Rows::new(operands.values(0), dims[3]);
        (dims.to_vec(), layers::layer_norm(x, affine(operands, 1, self.epsilon), self.gelu), None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        let [.., channels] = operands.dims::<4>(0);
        let x = Rows::new(operands.values(0), channels);
        let norm = layers::layer_norm_backward(x, affine(operands, 1, self.epsilon), self.gelu, dy);
        [norm.x, norm.scale, norm.shift].map(Some).into()
    }
}

/// Mean and biased variance of the channels of `[B, H, W, C]`, outside any graph.
pub(crate) fn batch_statistics(x: &Tensor<4>) -> (Tensor<1>, Tensor<1>) {
    let both: Tensor<2> = run(BatchStatistics, [operand(&x.clone().inner())]);
    (both.clone().narrow(0, 0, 1).squeeze_dim(0), both.narrow(0, 1, 1).squeeze_dim(0))
}

#[derive(Debug)]
struct BatchStatistics;

impl NativeLayer for BatchStatistics {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let [.., channels] = operands.dims::<4>(0);
        let (mut both, variance) = layers::batch_statistics(Rows::new(operands.values(0), channels));
        both.extend(variance);
        (vec![2, channels], both, None)
    }

    fn backward(&self, _: &Operands, _: Option<Kept>, _: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        unreachable!("statistics are taken outside the graph")
    }
}

/// Batch normalisation of `[B, H, W, C]` by the given mean and variance, then `ReLU`.
///
/// The backward pass takes the statistics for those of `x` itself: gradients go through them.
pub(crate) fn batch_norm_relu(x: &Tensor<4>, mean: &Tensor<1>, variance: &Tensor<1>, norm: &Norm) -> Tensor<4> {
    let operands = [operand(x), operand(mean), operand(variance), operand(&norm.scale), operand(&norm.shift)];
    run(BatchNormRelu { epsilon: norm.epsilon }, operands)
}

#[derive(Debug)]
struct BatchNormRelu {
    epsilon: f32,
}

impl NativeLayer for BatchNormRelu {
    fn forward(&self, operands: &Operands, _: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>) {
        let [x, mean, variance] = [0, 1, 2].map(|index| operands.values(index));
        let y = layers::batch_norm(x, mean, variance, affine(operands, 3, self.epsilon), true);
        (operands.dims::<4>(0).to_vec(), y, None)
    }

    fn backward(&self, operands: &Operands, _: Option<Kept>, dy: &[f32], _: &Wanted) -> Vec<Option<Vec<f32>>> {
        let [x, mean, variance] = [0, 1, 2].map(|index| operands.values(index));
        let norm = layers::batch_norm_backward(x, mean, variance, affine(operands, 3, self.epsilon), true, dy);
        vec![Some(norm.x), None, None, Some(norm.scale), Some(norm.shift)]
    }
}
