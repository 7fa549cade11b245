//! How a layer with native kernels becomes an operation of Flex and a node of the autodiff graph.

use burn::{
    backend::{
        AutodiffBackend, Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
        ExtensionType, Flex, TensorMetadata, backend_extension, tensor::FloatTensor,
    },
    tensor::{Bytes, DType, Shape},
};
use burn_autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn_flex::{FlexTensor, Layout};
use std::{any::Any, fmt::Debug, sync::Arc};

/// Operands of the layer that has most: the scan branch.
const OPERANDS: usize = 15;

/// Which operands want a gradient.
pub(in crate::layers) type Wanted = [bool; OPERANDS];

/// What a forward pass leaves for the backward pass.
pub(in crate::layers) type Kept = Arc<dyn Any + Send + Sync>;

/// A layer with native kernels: one result, up to [`OPERANDS`] operands in an order of its own.
pub(in crate::layers) trait FlexLayer: Debug + Send + Sync {
    /// The result's shape and values; where `keep`, also what [`backward`](Self::backward) will want beside the operands.
    fn forward(&self, operands: &Operands, keep: bool) -> (Vec<usize>, Vec<f32>, Option<Kept>);

    /// Gradients of the operands, in their order and shapes; those that are not `wanted` may be left out.
    fn backward(&self, operands: &Operands, kept: Option<Kept>, dy: &[f32], wanted: &Wanted) -> Vec<Option<Vec<f32>>>;
}

/// The operands of a call in memory order.
pub(in crate::layers) struct Operands(Vec<Option<FlexTensor>>);

impl Operands {
    fn new(tensors: impl IntoIterator<Item = Option<FlexTensor>>) -> Self {
        Self(tensors.into_iter().map(|tensor| tensor.map(|tensor| tensor.to_contiguous())).collect())
    }

    /// The values of an operand that the layer always has.
    pub(super) fn values(&self, index: usize) -> &[f32] {
        self.optional(index).expect("the layer has this operand")
    }

    /// The values of an operand that may be absent.
    pub(super) fn optional(&self, index: usize) -> Option<&[f32]> {
        self.0.get(index)?.as_ref().map(|tensor| tensor.as_slice().expect("contiguous f32"))
    }

    /// The shape of an operand.
    pub(super) fn dims<const D: usize>(&self, index: usize) -> [usize; D] {
        self.0[index].as_ref().expect("the layer has this operand").shape().dims()
    }
}

/// Runs a layer on Flex tensors, tracked or not; every operand must be f32.
pub(in crate::layers) fn run(layer: impl FlexLayer + 'static, operands: Vec<Option<DispatchTensor>>) -> DispatchTensor {
    <Dispatch as LayerOps>::layer(Arc::new(layer), LayerTensors::<Dispatch>(operands))
}

/// A list of operands; the derive macro knows no lists.
#[derive(Debug, Clone)]
struct LayerTensors<B: Backend>(Vec<Option<FloatTensor<B>>>);

impl<B: Backend> ExtensionType<B> for LayerTensors<B> {
    type Target = LayerTensors<Dispatch>;

    fn map_to_dispatch<F>(self, map_kind: F, autodiff: DispatchAutodiffContext) -> Self::Target
    where
        F: Fn(BackendTensor<B>) -> DispatchTensorKind,
    {
        let map = |tensor| DispatchTensor { kind: map_kind(BackendTensor::Float(tensor)), autodiff };
        LayerTensors(self.0.into_iter().map(|tensor| tensor.map(map)).collect())
    }

    fn map_from_dispatch<F>(target: Self::Target, unwrap_kind: F) -> Self
    where
        F: Fn(DispatchTensor) -> BackendTensor<B>,
    {
        Self(target.0.into_iter().map(|tensor| tensor.map(|tensor| unwrap_kind(tensor).float())).collect())
    }

    fn routing_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        target.0.iter().flatten().next()
    }

    fn routing_float_tensor(target: &Self::Target) -> Option<&DispatchTensor> {
        Self::routing_tensor(target)
    }

    fn autodiff_context(target: &Self::Target) -> DispatchAutodiffContext {
        let tensors = target.0.iter().flatten();
        tensors.fold(DispatchAutodiffContext::Disabled, |context, tensor| context.merge(tensor.autodiff))
    }
}

/// The one operation behind all native layers.
#[backend_extension(Flex, Autodiff)]
trait LayerOps: Backend {
    fn layer(layer: Arc<dyn FlexLayer>, #[extension_type] operands: LayerTensors<Self>) -> FloatTensor<Self>;
}

impl LayerOps for Flex {
    fn layer(layer: Arc<dyn FlexLayer>, operands: LayerTensors<Self>) -> FlexTensor {
        forward(layer.as_ref(), &Operands::new(operands.0), false).0
    }
}

impl<C: CheckpointStrategy> LayerOps for Autodiff<Flex, C> {
    fn layer(layer: Arc<dyn FlexLayer>, operands: LayerTensors<Self>) -> FloatTensor<Self> {
        let mut tensors = operands.0;
        tensors.resize_with(OPERANDS, || None);
        let present: [bool; OPERANDS] = std::array::from_fn(|index| tensors[index].is_some());
        // A node has a fixed number of parents: an untracked scalar stands in for an absent operand.
        let parents: [FloatTensor<Self>; OPERANDS] = std::array::from_fn(|index| {
            tensors[index].take().unwrap_or_else(|| Self::from_inner(tensor(vec![0.0], Shape::new([1]))))
        });
        let primitives = Operands::new(parents.iter().zip(present).map(|(t, is)| is.then(|| t.primitive().clone())));
        let prep = LayerNode.prepare::<C>(parents.each_ref().map(FloatTensor::<Self>::node)).compute_bound().stateful();
        match prep {
            OpsKind::Tracked(mut prep) => {
                let (y, kept) = forward(layer.as_ref(), &primitives, true);
                let nodes = std::array::from_fn(|index| present[index].then(|| prep.checkpoint(&parents[index])));
                prep.finish(LayerState { layer, nodes, kept }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(layer.as_ref(), &primitives, false).0),
        }
    }
}

fn forward(layer: &dyn FlexLayer, operands: &Operands, keep: bool) -> (FlexTensor, Option<Kept>) {
    let (shape, values, kept) = layer.forward(operands, keep);
    (tensor(values, Shape::from(shape)), kept)
}

fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

#[derive(Debug)]
struct LayerNode;

#[derive(Debug, Clone)]
struct LayerState {
    layer: Arc<dyn FlexLayer>,
    nodes: [Option<NodeId>; OPERANDS],
    kept: Option<Kept>,
}

impl Backward<Flex, OPERANDS> for LayerNode {
    type State = LayerState;

    fn backward(self, ops: Ops<LayerState, OPERANDS>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let LayerState { layer, nodes, kept } = ops.state;
        let tensors = nodes.map(|node| node.map(|node| checkpointer.retrieve_node_output::<FlexTensor>(node)));
        let operands = Operands::new(tensors);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = layer.backward(&operands, kept, dy.as_slice().expect("contiguous f32"), &wanted);
        for ((parent, gradient), operand) in ops.parents.into_iter().zip(gradients).zip(operands.0) {
            if let (Some(parent), Some(gradient), Some(operand)) = (parent, gradient, operand) {
                grads.register::<Flex>(parent.id, tensor(gradient, operand.shape()));
            }
        }
    }
}
