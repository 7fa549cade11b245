//! Autodiff: one graph node a scan. Keeps the inputs only; the backward kernels recompute the states.

use crate::scan::ops::{OmniTensors, OptionalTensor, ScanTensors, SelectiveScan, SelectiveScanBackward};
use burn::backend::{AutodiffBackend, Backend, tensor::FloatTensor};
use burn_autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn_rsmamba_kernels::{Directions, OmniNeeds, ScanNeeds};

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

impl<B: SelectiveScan + SelectiveScanBackward, C: CheckpointStrategy> SelectiveScan for Autodiff<B, C> {
    fn selective_scan(inputs: ScanTensors<Self>, delta_softplus: bool) -> (Tracked<B, C>, Tracked<B, C>) {
        let ScanTensors { u, delta, a, b, c, skip, delta_bias } = inputs;
        let (skip, has_skip) = or_constant::<B, C>(skip, &u);
        let (delta_bias, has_bias) = or_constant::<B, C>(delta_bias, &u);
        let tensors = [u, delta, a, b, c, skip, delta_bias];
        let forward = |tensors: &[Tracked<B, C>; 7]| {
            B::selective_scan(
                scan_tensors(tensors.each_ref().map(|t| t.primitive().clone()), has_skip, has_bias),
                delta_softplus,
            )
        };
        let prep = ScanNode.prepare::<C>(tensors.each_ref().map(Tracked::<B, C>::node)).compute_bound().stateful();
        let (y, last_state) = forward(&tensors);
        let y = match prep {
            OpsKind::Tracked(mut prep) => {
                let nodes = tensors.each_ref().map(|tensor| prep.checkpoint(tensor));
                prep.finish(ScanState { nodes, has_skip, has_bias, delta_softplus }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        };
        (y, Self::from_inner(last_state))
    }

    fn omni_selective_scan(inputs: OmniTensors<Self>, directions: Directions, delta_softplus: bool) -> Tracked<B, C> {
        let OmniTensors { u, projection, dt_weight, a, skip, delta_bias } = inputs;
        let (skip, has_skip) = or_constant::<B, C>(skip, &u);
        let (delta_bias, has_bias) = or_constant::<B, C>(delta_bias, &u);
        let tensors = [u, projection, dt_weight, a, skip, delta_bias];
        let prep = OmniNode.prepare::<C>(tensors.each_ref().map(Tracked::<B, C>::node)).compute_bound().stateful();
        let primitives = tensors.each_ref().map(|tensor| tensor.primitive().clone());
        let y = B::omni_selective_scan(omni_tensors(primitives, has_skip, has_bias), directions, delta_softplus);
        match prep {
            OpsKind::Tracked(mut prep) => {
                let nodes = tensors.each_ref().map(|tensor| prep.checkpoint(tensor));
                prep.finish(OmniState { nodes, has_skip, has_bias, directions, delta_softplus }, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

/// A node has a fixed number of parents: an untracked tensor stands in for an absent input.
fn or_constant<B: Backend, C: CheckpointStrategy>(
    tensor: OptionalTensor<Autodiff<B, C>>,
    like: &Tracked<B, C>,
) -> (Tracked<B, C>, bool) {
    match tensor {
        OptionalTensor::Present(tensor) => (tensor, true),
        OptionalTensor::Absent => (Autodiff::<B, C>::from_inner(like.primitive().clone()), false),
    }
}

fn present<B: Backend>(tensor: FloatTensor<B>, is: bool) -> OptionalTensor<B> {
    OptionalTensor::from(is.then_some(tensor))
}

fn scan_tensors<B: Backend>(tensors: [FloatTensor<B>; 7], has_skip: bool, has_bias: bool) -> ScanTensors<B> {
    let [u, delta, a, b, c, skip, delta_bias] = tensors;
    ScanTensors { u, delta, a, b, c, skip: present(skip, has_skip), delta_bias: present(delta_bias, has_bias) }
}

fn omni_tensors<B: Backend>(tensors: [FloatTensor<B>; 6], has_skip: bool, has_bias: bool) -> OmniTensors<B> {
    let [u, projection, dt_weight, a, skip, delta_bias] = tensors;
    let (skip, delta_bias) = (present(skip, has_skip), present(delta_bias, has_bias));
    OmniTensors { u, projection, dt_weight, a, skip, delta_bias }
}

#[derive(Debug)]
struct ScanNode;

#[derive(Debug, Clone)]
struct ScanState {
    nodes: [NodeId; 7],
    has_skip: bool,
    has_bias: bool,
    delta_softplus: bool,
}

impl<B: SelectiveScanBackward> Backward<B, 7> for ScanNode {
    type State = ScanState;

    fn backward(self, ops: Ops<ScanState, 7>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let ScanState { nodes, has_skip, has_bias, delta_softplus } = ops.state;
        let tensors = nodes.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let [u, delta, a, b, c, skip, delta_bias] = ops.parents.each_ref().map(Option::is_some);
        let needs = ScanNeeds { u, delta, a, b, c, skip, delta_bias };
        let inputs = scan_tensors(tensors, has_skip, has_bias);
        let gradients = B::selective_scan_backward(inputs, dy, delta_softplus, needs);
        let gradients =
            [gradients.u, gradients.delta, gradients.a, gradients.b, gradients.c, gradients.skip, gradients.delta_bias];
        register::<B, 7>(ops.parents.map(|parent| parent.map(|node| node.id)), gradients, grads);
    }
}

#[derive(Debug)]
struct OmniNode;

#[derive(Debug, Clone)]
struct OmniState {
    nodes: [NodeId; 6],
    has_skip: bool,
    has_bias: bool,
    directions: Directions,
    delta_softplus: bool,
}

impl<B: SelectiveScanBackward> Backward<B, 6> for OmniNode {
    type State = OmniState;

    fn backward(self, ops: Ops<OmniState, 6>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let OmniState { nodes, has_skip, has_bias, directions, delta_softplus } = ops.state;
        let tensors = nodes.map(|node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node));
        let [u, projection, dt_weight, a, skip, delta_bias] = ops.parents.each_ref().map(Option::is_some);
        let needs = OmniNeeds { u, projection, dt_weight, a, skip, delta_bias };
        let inputs = omni_tensors(tensors, has_skip, has_bias);
        let gradients = B::omni_selective_scan_backward(inputs, dy, directions, delta_softplus, needs);
        let gradients =
            [gradients.u, gradients.projection, gradients.dt_weight, gradients.a, gradients.skip, gradients.delta_bias];
        register::<B, 6>(ops.parents.map(|parent| parent.map(|node| node.id)), gradients, grads);
    }
}

/// Hands every wanted gradient to its parent.
fn register<B: Backend, const N: usize>(
    parents: [Option<NodeId>; N],
    gradients: [OptionalTensor<B>; N],
    grads: &mut Gradients,
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(parent), Some(gradient)) = (parent, gradient.into_option()) {
            grads.register::<B>(parent, gradient);
        }
    }
}
