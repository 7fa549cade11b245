use super::{
    maps::Operands,
    node::{GpuLayer, SLOTS, Slots, run},
};
use burn::{Tensor, backend::DispatchTensor, tensor::Shape};
use burn_cubecl::tensor::CubeTensor;
use burn_rsmamba_kernels::gpu::layers::{self, SQUARES};

/// Sums of the squares of f32 tensors of any shape on one GPU, outside any graph: `[tensors]`.
pub(in crate::layers) fn square_sums(tensors: Vec<DispatchTensor>) -> Tensor<1> {
    let mut sums = Vec::new();
    let mut tensors = tensors.into_iter().peekable();
    while tensors.peek().is_some() {
        let some = tensors.by_ref().take(SQUARES).map(Some).collect();
        sums.push(Tensor::from_dispatch(run(SquareSums, some)));
    }
    Tensor::cat(sums, 0)
}

/// Operands: tensors of any shape. Has no backward pass.
#[derive(Debug)]
struct SquareSums;

impl GpuLayer for SquareSums {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        vec![Shape::from([operands.iter().flatten().count()])]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let tensors: Vec<_> = (0..SLOTS)
            .take_while(|&index| operands.is_present(index))
            .map(|index| (operands.handle(index), operands.get(index).meta.num_elements()))
            .collect();
        let sums = operands.launched(layers::sum_squares(operands.client(), &tensors));
        vec![operands.tensor(sums, [tensors.len()])]
    }

    fn backward(&self, _: &Operands, _: &[CubeTensor], _: CubeTensor, _: &[bool; SLOTS]) -> Slots<CubeTensor> {
        unreachable!("gradients are outside any graph")
    }
}
