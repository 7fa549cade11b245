//! Steps of an optimiser over parameters and their gradients: tensors of any shape, f32, on one GPU and outside any graph.

use super::{
    maps::{Operands, writable},
    node::{GpuLayer, Slots, run, run_all},
};
use burn::{Tensor, backend::DispatchTensor, tensor::Shape};
use burn_cubecl::{cubecl::server::Handle, tensor::CubeTensor};
use burn_rsmamba_kernels::gpu::layers::{self, AdamWFactors, TENSORS};

/// Runs `layer` on as many of the tensors as one launch takes, and so on.
fn some_at_a_time<T>(tensors: Vec<DispatchTensor>, mut layer: impl FnMut(Vec<Option<DispatchTensor>>) -> T) -> Vec<T> {
    let mut tensors = tensors.into_iter().peekable();
    let mut results = Vec::new();
    while tensors.peek().is_some() {
        results.push(layer(tensors.by_ref().take(TENSORS).map(Some).collect()));
    }
    results
}

/// Sums of the squares of the tensors: `[tensors]`.
pub(crate) fn square_sums(tensors: Vec<DispatchTensor>) -> Tensor<1> {
    Tensor::cat(some_at_a_time(tensors, |some| Tensor::from_dispatch(run(SquareSums, some))), 0)
}

/// The tensors times `factor`.
pub(crate) fn scaled(tensors: Vec<DispatchTensor>, factor: f32) -> Vec<DispatchTensor> {
    some_at_a_time(tensors, |some| run_all(Scaled { factor }, some)).into_iter().flatten().flatten().collect()
}

/// Parameter, first and second moment after a step by the gradient. Moments are absent before the first.
pub(crate) fn adamw(
    factors: AdamWFactors,
    gradient: DispatchTensor,
    parameter: DispatchTensor,
    moments: Option<[DispatchTensor; 2]>,
) -> [DispatchTensor; 3] {
    let operands = [gradient, parameter].into_iter().chain(moments.into_iter().flatten()).map(Some).collect();
    let [parameter, moment_1, moment_2, ..] = run_all(AdamW { factors }, operands);
    [parameter, moment_1, moment_2].map(|tensor| tensor.expect("a step has three results"))
}

/// A handle and a number of elements each, as the kernels want them.
fn handles<'a>(tensors: impl IntoIterator<Item = &'a CubeTensor>) -> Vec<(Handle, usize)> {
    tensors.into_iter().map(|tensor| (tensor.handle.clone(), tensor.meta.num_elements())).collect()
}

/// Operands: tensors of any shape.
#[derive(Debug)]
struct SquareSums;

impl GpuLayer for SquareSums {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        vec![Shape::from([operands.iter().flatten().count()])]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let tensors = handles(operands.all());
        let sums = operands.launched(layers::sum_squares(operands.client(), &tensors));
        vec![operands.tensor(sums, [tensors.len()])]
    }
}

/// Operands: tensors of any shape.
#[derive(Debug)]
struct Scaled {
    factor: f32,
}

impl GpuLayer for Scaled {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        operands.iter().flatten().cloned().collect()
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let tensors: Vec<_> = operands.all().map(writable).collect();
        operands.launched(layers::scale_tensors(operands.client(), &handles(&tensors), self.factor));
        tensors
    }
}

/// Operands: gradient, parameter, and after the first step both moments.
#[derive(Debug)]
struct AdamW {
    factors: AdamWFactors,
}

impl GpuLayer for AdamW {
    fn shapes(&self, operands: &Slots<Shape>, _: bool) -> Vec<Shape> {
        vec![operands[1].clone().expect("the parameter"); 3]
    }

    fn forward(&self, operands: &Operands, _: bool) -> Vec<CubeTensor> {
        let elements = operands.get(1).meta.num_elements();
        let moment = |index: usize| {
            if self.factors.time == 1 {
                operands.like(1, operands.room(elements))
            } else {
                writable(operands.get(index))
            }
        };
        let [parameter, moment_1, moment_2] = [writable(operands.get(1)), moment(2), moment(3)];
        let written = [&parameter.handle, &moment_1.handle, &moment_2.handle];
        let gradient = operands.handle(0);
        operands.launched(layers::adamw_step(operands.client(), &gradient, written, elements, self.factors));
        vec![parameter, moment_1, moment_2]
    }
}
