use super::{
    maps::{Operands, branch_gradient, gradients, product, product_over_rows, rows, transposed},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::mlp::Mlp;
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use burn_rsmamba_kernels::gpu::layers;

impl Mlp {
    /// `LN(x)`, `[rows, C]`.
    fn normed(&self, operands: &Operands) -> CubeTensor {
        let x = operands.rows(0);
        let affine = operands.affine(2, self.epsilon);
        let normed = operands.launched(layers::layer_norm(operands.client(), &x, &affine, false));
        operands.tensor(normed, [x.rows, x.columns])
    }
}

impl GpuLayer for Mlp {
    fn shapes(&self, operands: &Slots<Shape>, keep: bool) -> Vec<Shape> {
        let x = operands[0].clone().expect("the map");
        let [batch, height, width, _] = x.dims();
        let [_, hidden] = operands[4].as_ref().expect("the first weight").dims();
        let before = keep.then(|| Shape::from([batch * height * width, hidden]));
        [x].into_iter().chain(before).collect()
    }

    fn forward(&self, operands: &Operands, keep: bool) -> Vec<CubeTensor> {
        let client = operands.client();
        let x = operands.rows(0);
        let before = product(self.normed(operands), operands.get(4).clone());
        let sizes @ [rows, _] = before.meta.shape().dims::<2>();
        let after = operands.launched(layers::bias_gelu(client, sizes, &before.handle, &operands.handle(5)));
        let branch = product(operands.tensor(after, sizes), operands.get(6).clone());
        let (sizes, bias, scale) = ([rows, x.columns], operands.handle(7), operands.factors(1));
        let scale = scale.as_ref().map(|(scale, samples)| (scale, *samples));
        let y = layers::add_branch(client, sizes, &x.handle, &branch.handle, Some(&bias), scale);
        [operands.like(0, operands.launched(y))].into_iter().chain(keep.then_some(before)).collect()
    }

    fn backward(
        &self,
        operands: &Operands,
        kept: &[CubeTensor],
        dy: CubeTensor,
        _: &[bool; SLOTS],
    ) -> Slots<CubeTensor> {
        let client = operands.client();
        let [before] = kept else { unreachable!("kept by the forward pass") };
        let x = operands.rows(0);
        let dbranch = branch_gradient(operands, &dy);

        // what holds the gradient of the hidden layer after GELU holds the one before it afterwards
        let dhidden = product(dbranch.clone(), transposed(operands.get(6).clone()));
        let sizes = before.meta.shape().dims::<2>();
        let after = layers::bias_gelu_backward(client, sizes, &before.handle, &operands.handle(5), &dhidden.handle);
        let after = operands.tensor(operands.launched(after), sizes);
        let weight2 = product_over_rows(after, dbranch.clone(), operands.get(6).dtype);
        let bias2 = operands.launched(layers::sum_rows(client, &rows(&dbranch)));
        drop(dbranch);

        let weight1 = product_over_rows(self.normed(operands), dhidden.clone(), operands.get(4).dtype);
        let bias1 = operands.launched(layers::sum_rows(client, &rows(&dhidden)));
        let dnormed = product(dhidden, transposed(operands.get(4).clone()));
        let affine = operands.affine(2, self.epsilon);
        let norm = layers::layer_norm_backward(client, &x, &affine, false, &dnormed.handle, Some(&dy.handle));
        let norm = operands.launched(norm);
        gradients([
            Some(operands.like(0, norm.x)),
            None,
            Some(operands.like(2, norm.scale)),
            Some(operands.like(3, norm.shift)),
            Some(weight1),
            Some(operands.like(5, bias1)),
            Some(weight2),
            Some(operands.like(7, bias2)),
        ])
    }
}
