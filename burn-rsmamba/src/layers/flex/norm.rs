use super::node::{FlexLayer, Kept, Operands, Wanted};
use crate::layers::norm::{BatchNormRelu, BatchStatistics, LayerNorm};
use burn_rsmamba_kernels::cpu::layers::{self, Affine, Rows};

/// The normalisation whose scale and shift are the operands from `index` on.
pub(super) fn affine(operands: &Operands, index: usize, epsilon: f32) -> Affine<'_> {
    Affine { scale: operands.values(index), shift: operands.values(index + 1), epsilon }
}

impl FlexLayer for LayerNorm {
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

impl FlexLayer for BatchStatistics {
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

impl FlexLayer for BatchNormRelu {
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
