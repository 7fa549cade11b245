use super::{
    maps::{Operands, branch_gradient, contiguous, gradients, product, product_over_rows, reshaped, transposed},
    node::{GpuLayer, SLOTS, Slots},
};
use crate::layers::ossm::Ossm;
use burn::{backend::ops::FloatTensorOps, tensor::Shape};
use burn_cubecl::{
    CubeBackend,
    cubecl::{
        ir::{ElemType, FloatKind},
        server::Handle,
    },
    tensor::CubeTensor,
};
use burn_rsmamba_kernels::{
    OmniNeeds, OmniShape,
    gpu::{
        self, GpuOmniInputs, ScanStrategy,
        layers::{self, GpuMap, GpuRows},
    },
};

/// Sizes of a call.
struct Sizes {
    scan: OmniShape,
    /// C, channels of the map.
    channels: usize,
    /// B H W, pixels.
    rows: usize,
    /// Columns of the scan's projections.
    projected: usize,
}

impl Sizes {
    fn of(layer: &Ossm, [batch, height, width, channels]: [usize; 4], [_, inner, rank]: [usize; 3]) -> Self {
        let Ossm { states, directions, .. } = *layer;
        let scan = OmniShape { batch, height, width, channels: inner, states, rank, directions };
        let projected = directions.count() * (rank + 2 * states);
        Self { scan, channels, rows: batch * height * width, projected }
    }
}

/// A call: layer, operands, sizes.
struct Branch<'a> {
    layer: &'a Ossm,
    operands: &'a Operands,
    sizes: Sizes,
}

impl<'a> Branch<'a> {
    fn new(layer: &'a Ossm, operands: &'a Operands) -> Self {
        Self { layer, operands, sizes: Sizes::of(layer, operands.dims(0), operands.dims(8)) }
    }

    fn inner(&self) -> usize {
        self.sizes.scan.channels
    }

    /// `LN(x)`, `[rows, C]`.
    fn normed(&self) -> CubeTensor {
        let affine = self.operands.affine(2, self.layer.norm_epsilon);
        let normed = layers::layer_norm(self.operands.client(), &self.operands.rows(0), &affine, false);
        self.operands.tensor(self.operands.launched(normed), [self.sizes.rows, self.sizes.channels])
    }

    /// `[K (R + 2 N), D]`
    fn x_proj(&self) -> CubeTensor {
        reshaped(self.operands.get(7).clone(), [self.sizes.projected, self.inner()])
    }

    /// A half of the hidden map `[rows, 2 D]`: what is scanned, or from column D on the gate.
    fn half(&self, hidden: &CubeTensor, offset: usize) -> GpuRows {
        let inner = self.inner();
        GpuRows { handle: hidden.handle.clone(), rows: self.sizes.rows, columns: inner, pitch: 2 * inner, offset }
    }

    fn scanned(&self, hidden: &CubeTensor) -> GpuMap {
        let OmniShape { height, width, .. } = self.sizes.scan;
        GpuMap { rows: self.half(hidden, 0), height, width }
    }

    fn scan(&self, u: &CubeTensor, projection: &CubeTensor, a: &CubeTensor) -> GpuOmniInputs {
        GpuOmniInputs {
            element: ElemType::Float(FloatKind::F32),
            u: u.handle.clone(),
            projection: projection.handle.clone(),
            dt_weight: self.operands.handle(8),
            a: a.handle.clone(),
            skip: Some(self.operands.handle(11)),
            delta_bias: Some(self.operands.handle(9)),
            delta_softplus: true,
        }
    }
}

impl GpuLayer for Ossm {
    fn shapes(&self, operands: &Slots<Shape>, keep: bool) -> Vec<Shape> {
        let of = |index: usize| operands[index].as_ref().expect("the layer has this operand");
        let Sizes { scan, rows, projected, .. } = Sizes::of(self, of(0).dims(), of(8).dims());
        let inner = scan.channels;
        let kept = [[rows, 2 * inner], [rows, inner], [rows, projected], [rows, inner]].map(Shape::from);
        let kept = kept.into_iter().chain([of(10).clone()]);
        [of(0).clone()].into_iter().chain(kept.take(if keep { 5 } else { 0 })).collect()
    }

    fn forward(&self, operands: &Operands, keep: bool) -> Vec<CubeTensor> {
        let branch = Branch::new(self, operands);
        let client = operands.client();
        let Sizes { scan, channels, rows, .. } = branch.sizes;
        let inner = branch.inner();
        let hidden = product(branch.normed(), operands.get(4).clone());
        let u = layers::depthwise_silu(client, &branch.scanned(&hidden), &operands.handle(5), &operands.handle(6));
        let u = operands.tensor(operands.launched(u), [rows, inner]);
        let projection = product(u.clone(), transposed(branch.x_proj()));
        let a = contiguous(CubeBackend::float_neg(CubeBackend::float_exp(operands.get(10).clone())));
        let inputs = branch.scan(&u, &projection, &a);
        let y = operands.launched(gpu::omni_selective_scan(client, scan, &inputs, ScanStrategy::Auto));
        let y = operands.tensor(y, [rows, inner]);
        let kept = keep.then(|| [hidden.clone(), u, projection, y.clone(), a]);
        drop(inputs);

        let (gate, affine) = (branch.half(&hidden, inner), operands.affine(12, self.out_norm_epsilon));
        let y = GpuRows::whole(y.handle, rows, inner);
        let gated = operands.launched(layers::gated_norm(client, &y, &affine, &gate));
        let out = product(operands.tensor(gated, [rows, inner]), operands.get(14).clone());
        let (x, scale) = (operands.handle(0), operands.factors(1));
        let scale = scale.as_ref().map(|(scale, samples)| (scale, *samples));
        let sum = layers::add_branch(client, [rows, channels], &x, &out.handle, None, scale);
        [operands.like(0, operands.launched(sum))].into_iter().chain(kept.into_iter().flatten()).collect()
    }

    fn backward(
        &self,
        operands: &Operands,
        kept: &[CubeTensor],
        dy: CubeTensor,
        _: &[bool; SLOTS],
    ) -> Slots<CubeTensor> {
        let [hidden, u, projection, y, a] = kept else { unreachable!("kept by the forward pass") };
        let branch = Branch::new(self, operands);
        let client = operands.client();
        let Sizes { scan, rows, projected, .. } = branch.sizes;
        let inner = branch.inner();
        let dbranch = branch_gradient(operands, &dy);
        // its two halves are written by what comes after each
        let dhidden = operands.tensor(operands.room(2 * rows * inner), [rows, 2 * inner]);

        let dgated = product(dbranch.clone(), transposed(operands.get(14).clone()));
        let (gate, affine) = (branch.half(hidden, inner), operands.affine(12, self.out_norm_epsilon));
        let y = GpuRows::whole(y.handle.clone(), rows, inner);
        let gated = layers::gated_norm_backward(client, &y, &affine, &gate, &dhidden.handle, &dgated.handle);
        let gated = operands.launched(gated);
        drop(dgated);
        let out_proj = product_over_rows(operands.tensor(gated.y, [rows, inner]), dbranch, operands.get(14).dtype);
        let out_norm = gated.norm;

        let inputs = branch.scan(u, projection, a);
        let found =
            gpu::omni_selective_scan_backward(client, scan, &inputs, &out_norm.x, OmniNeeds::ALL, ScanStrategy::Auto);
        let found = operands.launched(found);
        let wanted = |handle: Option<Handle>| handle.expect("all gradients are asked for");
        let dprojection = operands.tensor(wanted(found.projection), [rows, projected]);
        let x_proj = product_over_rows(dprojection.clone(), u.clone(), operands.get(7).dtype);
        let du = operands.tensor(wanted(found.u), [rows, inner]);
        let du = contiguous(CubeBackend::float_add(du, product(dprojection, branch.x_proj())));
        // d/da_log of -exp(a_log) is a itself
        let a_logs = CubeBackend::float_mul(operands.like(10, wanted(found.a)), a.clone());

        let conv = layers::depthwise_silu_backward(
            client,
            &branch.scanned(hidden),
            &operands.handle(5),
            &operands.handle(6),
            &du.handle,
            &dhidden.handle,
        );
        let conv = operands.launched(conv);
        drop(du);

        let in_proj = product_over_rows(branch.normed(), dhidden.clone(), operands.get(4).dtype);
        let dnormed = product(dhidden, transposed(operands.get(4).clone()));
        let affine = operands.affine(2, self.norm_epsilon);
        let x = operands.rows(0);
        let norm = layers::layer_norm_backward(client, &x, &affine, false, &dnormed.handle, Some(&dy.handle));
        let norm = operands.launched(norm);
        gradients([
            Some(operands.like(0, norm.x)),
            None,
            Some(operands.like(2, norm.scale)),
            Some(operands.like(3, norm.shift)),
            Some(in_proj),
            Some(operands.like(5, conv.weight)),
            Some(operands.like(6, conv.bias)),
            Some(reshaped(x_proj, operands.dims::<3>(7))),
            Some(operands.like(8, wanted(found.dt_weight))),
            Some(operands.like(9, wanted(found.delta_bias))),
            Some(a_logs),
            Some(operands.like(11, wanted(found.skip))),
            Some(operands.like(12, out_norm.scale)),
            Some(operands.like(13, out_norm.shift)),
            Some(out_proj),
        ])
    }
}
