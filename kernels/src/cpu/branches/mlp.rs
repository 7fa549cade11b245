use super::{add_residual, branch_gradient, scale_samples};
use crate::cpu::{
    layers::{
        Affine, Fresh, Matrix, Rows, Start, add_bias, gelu_backward, gelu_in_place, layer_norm, layer_norm_backward,
        product, product_then, sum_rows,
    },
    memory::room,
};

/// Hidden values that a forward pass without a backward holds at once.
const HIDDEN: usize = 1 << 22;

/// Operands of [`mlp`]: C channels, E hidden ones.
#[derive(Debug, Clone, Copy)]
pub struct MlpInputs<'a> {
    /// The map, `[B, H, W, C]`.
    pub x: &'a [f32],
    /// Factor of each sample's branch, `[B]`; ones where there is none.
    pub scale: Option<&'a [f32]>,
    /// Normalisation before the branch, `[C]`.
    pub norm: Affine<'a>,
    /// `[C, E]`.
    pub weight1: &'a [f32],
    /// `[E]`.
    pub bias1: &'a [f32],
    /// `[E, C]`.
    pub weight2: &'a [f32],
    /// `[C]`.
    pub bias2: &'a [f32],
}

/// Gradients of [`mlp`], each in the shape of its operand.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as the operands")]
pub struct MlpGradients {
    pub x: Vec<f32>,
    pub norm_scale: Vec<f32>,
    pub norm_shift: Vec<f32>,
    pub weight1: Vec<f32>,
    pub bias1: Vec<f32>,
    pub weight2: Vec<f32>,
    pub bias2: Vec<f32>,
}

impl MlpInputs<'_> {
    fn channels(&self) -> usize {
        self.bias2.len()
    }

    fn hidden(&self) -> usize {
        self.bias1.len()
    }

    fn weight1(&self) -> Matrix<'_> {
        Matrix::new(self.weight1, self.channels(), self.hidden())
    }

    fn weight2(&self) -> Matrix<'_> {
        Matrix::new(self.weight2, self.hidden(), self.channels())
    }

    /// The hidden layer before GELU, `[rows, E]`, on which `then` works piece by piece.
    fn expand(&self, x: &[f32], then: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let normed = layer_norm(Rows::new(x, self.channels()), self.norm, false);
        product_then(Rows::new(&normed, self.channels()), self.weight1(), Start::Zero, |at, hidden| {
            add_bias(hidden, &self.bias1[at % self.hidden()..][..hidden.len()]);
            then(at, hidden);
        })
    }

    /// From the hidden layer after GELU to the result.
    fn contract(&self, x: &[f32], mut hidden: Vec<f32>, scale: Option<&[f32]>) -> Vec<f32> {
        scale_samples(&mut hidden, scale);
        let start = Start::Residual { matrix: x, bias: Some(self.bias2), scale };
        product(Rows::new(&hidden, self.hidden()), self.weight2(), start)
    }
}

/// `x + s (GELU(LN(x) W1 + b1) W2 + b2)`, `[B, H, W, C]`; where `keep`, also the hidden layer before GELU, `[B, H, W, E]`.
pub fn mlp(inputs: &MlpInputs<'_>, keep: bool) -> (Vec<f32>, Option<Vec<f32>>) {
    if keep {
        let len = inputs.x.len() / inputs.channels() * inputs.hidden();
        let mut after = Vec::new();
        let fresh = Fresh::new(&mut after, len);
        let before = inputs.expand(inputs.x, |at, before| {
            // SAFETY: pieces do not overlap.
            let after = unsafe { fresh.part(at, before.len()) };
            after.copy_from_slice(before);
            gelu_in_place(after);
        });
        // SAFETY: the pieces cover the hidden layer.
        unsafe { after.set_len(len) };
        return (inputs.contract(inputs.x, after, inputs.scale), Some(before));
    }
    // In pieces, so that the wide hidden layer of a large map never exists as a whole.
    let samples = inputs.scale.map_or(1, <[f32]>::len);
    let sample = (inputs.x.len() / samples).max(inputs.channels());
    let piece = (HIDDEN / inputs.hidden()).max(64) * inputs.channels();
    let mut out = room(inputs.x.len());
    for (index, x) in inputs.x.chunks(sample).enumerate() {
        let scale = inputs.scale.map(|scale| &scale[index..=index]);
        for x in x.chunks(piece) {
            let hidden = inputs.expand(x, |_, hidden| gelu_in_place(hidden));
            out.extend(inputs.contract(x, hidden, scale));
        }
    }
    (out, None)
}

/// Gradients of [`mlp`] for the gradient `dy [B, H, W, C]` of its result, from the hidden layer it kept.
pub fn mlp_backward(inputs: &MlpInputs<'_>, before: &[f32], dy: &[f32]) -> MlpGradients {
    let (channels, hidden) = (inputs.channels(), inputs.hidden());
    let dbranch = branch_gradient(dy, inputs.scale);
    let dbranch_rows = Rows::new(&dbranch, channels);
    let mut after = Vec::new();
    let fresh = Fresh::new(&mut after, before.len());
    let dhidden = product_then(dbranch_rows, inputs.weight2().transposed(), Start::Zero, |at, dhidden| {
        // SAFETY: pieces do not overlap.
        let after = unsafe { fresh.part(at, dhidden.len()) };
        gelu_backward(&before[at..][..dhidden.len()], dhidden, Some(after));
    });
    // SAFETY: the pieces cover the hidden layer.
    unsafe { after.set_len(before.len()) };
    let weight2 = product(Matrix::from(Rows::new(&after, hidden)).transposed(), dbranch_rows, Start::Zero);
    let bias2 = sum_rows(dbranch_rows);
    drop(after);

    let dhidden_rows = Rows::new(&dhidden, hidden);
    let x = Rows::new(inputs.x, channels);
    let normed = layer_norm(x, inputs.norm, false);
    let weight1 = product(Matrix::from(Rows::new(&normed, channels)).transposed(), dhidden_rows, Start::Zero);
    drop(normed);
    let bias1 = sum_rows(dhidden_rows);
    let dnormed = product(dhidden_rows, inputs.weight1().transposed(), Start::Zero);
    drop(dhidden);
    let mut norm = layer_norm_backward(x, inputs.norm, false, &dnormed);
    add_residual(&mut norm.x, dy);
    MlpGradients { x: norm.x, norm_scale: norm.scale, norm_shift: norm.shift, weight1, bias1, weight2, bias2 }
}
