//! How a layer becomes an operation of CubeCL, fused or not, and a node of the autodiff graph.

use super::maps::Operands;
use crate::scan::OptionalTensor;
#[cfg(feature = "fusion")]
use crate::scan::OptionalTensorMetadata;
#[cfg(feature = "fusion")]
use burn::{backend::fusion::custom::TensorSpec, tensor::DType};
use burn::{
    backend::{
        AutodiffBackend, Backend, Dispatch, DispatchTensor, ExtensionType, backend_extension, tensor::FloatTensor,
    },
    tensor::Shape,
};
use burn_autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn_cubecl::{CubeBackend, kernel::cast, tensor::CubeTensor};
use std::{fmt::Debug, sync::Arc};

/// Operands of the layer that has most: the scan branch.
pub(super) const SLOTS: usize = 15;

/// One of something for every operand, or every result, of a layer.
pub(super) type Slots<T> = [Option<T>; SLOTS];

/// A layer on a GPU, up to [`SLOTS`] operands in an order of its own: f32, but for weights and biases in half precision.
pub(in crate::layers) trait GpuLayer: Debug + Send + Sync {
    /// Shapes of the result (an optimiser's has several) and, where `keep`, of what [`backward`](Self::backward) will want beside the operands.
    #[cfg_attr(not(feature = "fusion"), expect(dead_code, reason = "operator fusion alone has to know before"))]
    fn shapes(&self, operands: &Slots<Shape>, keep: bool) -> Vec<Shape>;

    /// The result (or results) and, where `keep`, what [`backward`](Self::backward) will want; f32.
    fn forward(&self, operands: &Operands, keep: bool) -> Vec<CubeTensor>;

    /// Gradients of the operands that are `wanted`, in their order and shapes, f32; others may be left out.
    ///
    /// Not called where no operand wants one, nor of what is computed outside any graph.
    fn backward(
        &self,
        _: &Operands,
        _kept: &[CubeTensor],
        _dy: CubeTensor,
        _wanted: &[bool; SLOTS],
    ) -> Slots<CubeTensor> {
        unreachable!("{self:?} is no node of a graph")
    }
}

/// Runs a layer on tensors of a GPU, tracked or not.
pub(in crate::layers) fn run(layer: impl GpuLayer + 'static, operands: Vec<Option<DispatchTensor>>) -> DispatchTensor {
    let [first, ..] = run_all(layer, operands);
    first.expect("every layer has a result")
}

/// The same of a layer with several results that is no node of a graph.
pub(super) fn run_all(
    layer: impl GpuLayer + 'static,
    mut operands: Vec<Option<DispatchTensor>>,
) -> Slots<DispatchTensor> {
    operands.resize_with(SLOTS, || None);
    let operands: Slots<DispatchTensor> = operands.try_into().expect("no layer has more operands");
    <Dispatch as LayerOps>::layer(Arc::new(layer), LayerTensors::from_slots(operands), false).into_slots()
}

macro_rules! layer_tensors {
    ($($slot:ident)*) => {
        /// A list of tensors, some absent; the derive macro knows no lists.
        #[derive(Debug, Clone, ExtensionType)]
        #[extension_type(fusion: cfg(feature = "fusion"))]
        struct LayerTensors<B: Backend> {
            $(#[extension_type] $slot: OptionalTensor<B>,)*
        }

        impl<B: Backend> LayerTensors<B> {
            fn from_slots([$($slot),*]: Slots<FloatTensor<B>>) -> Self {
                Self { $($slot: OptionalTensor::from($slot),)* }
            }

            fn into_slots(self) -> Slots<FloatTensor<B>> {
                [$(self.$slot.into_option()),*]
            }
        }

        #[cfg(feature = "fusion")]
        impl LayerTensorsMetadata {
            fn from_slots([$($slot),*]: Slots<TensorSpec>) -> Self {
                Self { $($slot: $slot.map_or(OptionalTensorMetadata::Absent, OptionalTensorMetadata::Present),)* }
            }

            fn specs(&self) -> Slots<TensorSpec> {
                [$(spec(&self.$slot)),*]
            }
        }
    };
}

layer_tensors!(a b c d e f g h i j k l m n o);

#[cfg(feature = "fusion")]
fn spec(metadata: &OptionalTensorMetadata) -> Option<TensorSpec> {
    match metadata {
        OptionalTensorMetadata::Absent => None,
        OptionalTensorMetadata::Present(spec) => Some(spec.clone()),
    }
}

/// The f32 tensors that a forward pass gives.
#[cfg(feature = "fusion")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the macro passes every argument by reference")]
fn results(layer: &Arc<dyn GpuLayer>, operands: &LayerTensorsMetadata, keep: &bool) -> LayerTensorsMetadata {
    let shapes = layer.shapes(&operands.specs().map(|spec| spec.map(|spec| spec.shape)), *keep);
    LayerTensorsMetadata::from_slots(slots(shapes).map(|shape| shape.map(|shape| TensorSpec::new(shape, DType::F32))))
}

fn first<B: Backend>(results: LayerTensors<B>) -> FloatTensor<B> {
    let [first, ..] = results.into_slots();
    first.expect("every layer has a result")
}

/// As many as there are, then absent ones.
fn slots<T>(values: Vec<T>) -> Slots<T> {
    let mut values = values.into_iter();
    std::array::from_fn(|_| values.next())
}

/// The one operation behind all layers.
#[backend_extension(Cube, Fusion: cfg(feature = "fusion"), Autodiff)]
trait LayerOps: Backend {
    /// The result and, where `keep`, what the backward pass wants.
    #[fusion(meta = results)]
    fn layer(
        layer: Arc<dyn GpuLayer>,
        #[extension_type] operands: LayerTensors<Self>,
        keep: bool,
    ) -> LayerTensors<Self>;
}

/// Its backward pass, which backends without autodiff alone have.
#[backend_extension(Cube, Fusion: cfg(feature = "fusion"))]
trait LayerBackwardOps: Backend {
    /// Gradients of the operands that are `wanted`.
    #[fusion(meta = gradients)]
    fn layer_backward(
        layer: Arc<dyn GpuLayer>,
        #[extension_type] operands: LayerTensors<Self>,
        #[extension_type] kept: LayerTensors<Self>,
        dy: FloatTensor<Self>,
        wanted: [bool; SLOTS],
    ) -> LayerTensors<Self>;
}

#[cfg(feature = "fusion")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the macro passes every argument by reference")]
fn gradients(
    _layer: &Arc<dyn GpuLayer>,
    operands: &LayerTensorsMetadata,
    _kept: &LayerTensorsMetadata,
    _dy: &TensorSpec,
    wanted: &[bool; SLOTS],
) -> LayerTensorsMetadata {
    let mut specs = operands.specs();
    specs.iter_mut().zip(wanted).filter(|(_, wanted)| !**wanted).for_each(|(spec, _)| *spec = None);
    LayerTensorsMetadata::from_slots(specs)
}

impl LayerOps for CubeBackend {
    fn layer(layer: Arc<dyn GpuLayer>, operands: LayerTensors<Self>, keep: bool) -> LayerTensors<Self> {
        let results = layer.forward(&Operands::new(operands.into_slots()), keep);
        LayerTensors::from_slots(slots(results))
    }
}

impl LayerBackwardOps for CubeBackend {
    fn layer_backward(
        layer: Arc<dyn GpuLayer>,
        operands: LayerTensors<Self>,
        kept: LayerTensors<Self>,
        dy: CubeTensor,
        wanted: [bool; SLOTS],
    ) -> LayerTensors<Self> {
        let operands = Operands::new(operands.into_slots());
        let kept: Vec<CubeTensor> = kept.into_slots().into_iter().flatten().collect();
        let mut found = layer.backward(&operands, &kept, super::maps::contiguous(dy), &wanted);
        // Fusion expects as many as it was told of.
        for (index, gradient) in found.iter_mut().enumerate() {
            let is = wanted[index] && operands.is_present(index);
            assert!(!is || gradient.is_some(), "{layer:?} has no gradient of operand {index}");
            *gradient = gradient.take().filter(|_| is).map(|gradient| cast(gradient, operands.get(index).dtype));
        }
        LayerTensors::from_slots(found)
    }
}

impl<B: LayerOps + LayerBackwardOps, C: CheckpointStrategy> LayerOps for Autodiff<B, C> {
    fn layer(layer: Arc<dyn GpuLayer>, operands: LayerTensors<Self>, _keep: bool) -> LayerTensors<Self> {
        let mut tensors = operands.into_slots();
        let present: [bool; SLOTS] = std::array::from_fn(|index| tensors[index].is_some());
        let any = tensors.iter().flatten().next().expect("every layer has an operand").primitive().clone();
        // A node has a fixed number of parents: an untracked one stands in for an absent operand.
        let parents: [FloatTensor<Self>; SLOTS] =
            std::array::from_fn(|index| tensors[index].take().unwrap_or_else(|| Self::from_inner(any.clone())));
        let primitives: Slots<FloatTensor<B>> =
            std::array::from_fn(|index| present[index].then(|| parents[index].primitive().clone()));
        let prep = LayerNode.prepare::<C>(parents.each_ref().map(FloatTensor::<Self>::node)).compute_bound().stateful();
        let y = match prep {
            OpsKind::Tracked(mut prep) => {
                let results = B::layer(layer.clone(), LayerTensors::from_slots(primitives), true);
                let mut results = results.into_slots().into_iter().flatten();
                let y = results.next().expect("every layer has a result");
                let nodes = std::array::from_fn(|index| present[index].then(|| prep.checkpoint(&parents[index])));
                prep.finish(LayerState::<B> { layer, nodes, kept: slots(results.collect()) }, y)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(first(B::layer(layer, LayerTensors::from_slots(primitives), false)))
            }
        };
        LayerTensors::from_slots(slots(vec![y]))
    }
}

#[derive(Debug)]
struct LayerNode;

#[derive(Debug, Clone)]
struct LayerState<B: Backend> {
    layer: Arc<dyn GpuLayer>,
    nodes: Slots<NodeId>,
    kept: Slots<FloatTensor<B>>,
}

impl<B: LayerBackwardOps> Backward<B, SLOTS> for LayerNode {
    type State = LayerState<B>;

    fn backward(self, ops: Ops<LayerState<B>, SLOTS>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let LayerState { layer, nodes, kept } = ops.state;
        let operands = nodes.map(|node| node.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node)));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let (operands, kept) = (LayerTensors::from_slots(operands), LayerTensors::from_slots(kept));
        let found = B::layer_backward(layer, operands, kept, dy, wanted).into_slots();
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}
