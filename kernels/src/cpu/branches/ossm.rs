use super::{PIECE, add_residual, branch_gradient, scale_samples};
use crate::{
    cpu::{
        Checkpoints,
        lanes::exp_in_place,
        layers::{
            Affine, MapShape, Matrix, Rows, RowsMut, Start, add_product, depthwise_silu, depthwise_silu_backward,
            gated_norm, gated_norm_backward, layer_norm, layer_norm_backward, product,
        },
        memory::zeros,
        omni_selective_scan, omni_selective_scan_backward_from, omni_selective_scan_recorded,
    },
    definition::{Directions, OmniGradients, OmniInputs, OmniNeeds, OmniShape},
};
use rayon::prelude::*;

/// Sizes of a scan branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OssmShape {
    /// B, maps.
    pub batch: usize,
    /// H, rows of a map.
    pub height: usize,
    /// W, columns of a map.
    pub width: usize,
    /// C, channels of the map.
    pub channels: usize,
    /// D, scanned channels.
    pub inner: usize,
    /// N, states.
    pub states: usize,
    /// R, rank of the step projection.
    pub rank: usize,
    /// The K pixel orders.
    pub directions: Directions,
}

/// Operands of [`ossm`].
#[derive(Debug, Clone, Copy)]
pub struct OssmInputs<'a> {
    /// The map, `[B, H, W, C]`.
    pub x: &'a [f32],
    /// Factor of each sample's branch, `[B]`; ones where there is none.
    pub scale: Option<&'a [f32]>,
    /// Normalisation before the branch, `[C]`.
    pub norm: Affine<'a>,
    /// The scanned half and the gate, `[C, 2 D]`.
    pub in_proj: &'a [f32],
    /// Depthwise 3×3, `[D, 1, 3, 3]`.
    pub conv_weight: &'a [f32],
    /// `[D]`.
    pub conv_bias: &'a [f32],
    /// Low-rank step, b and c of each direction, `[K, R + 2 N, D]`.
    pub x_proj: &'a [f32],
    /// Expansion of the step, `[K, D, R]`.
    pub dt_weight: &'a [f32],
    /// Bias of the step, `[K, D]`.
    pub dt_bias: &'a [f32],
    /// `ln(-a)`, `[K * D, N]`.
    pub a_logs: &'a [f32],
    /// Skip connection, `[K * D]`.
    pub skip: &'a [f32],
    /// Normalisation of the merged scan, `[D]`.
    pub out_norm: Affine<'a>,
    /// `[D, C]`.
    pub out_proj: &'a [f32],
}

/// What [`ossm_backward`] does not compute again.
#[derive(Debug)]
pub struct OssmKept {
    /// The scanned half before its convolution and the gate before its activation, `[B, H, W, 2 D]`.
    hidden: Vec<f32>,
    /// The scan's input, `[B, H, W, D]`.
    u: Vec<f32>,
    /// The scan's projections, `[B, H, W, K, R + 2 N]`.
    projection: Vec<f32>,
    /// The scan's states at some of its steps.
    checkpoints: Checkpoints,
    /// The scan's result, `[B, H, W, D]`.
    y: Vec<f32>,
}

/// Gradients of [`ossm`], each in the shape of its operand.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as the operands")]
pub struct OssmGradients {
    pub x: Vec<f32>,
    pub norm_scale: Vec<f32>,
    pub norm_shift: Vec<f32>,
    pub in_proj: Vec<f32>,
    pub conv_weight: Vec<f32>,
    pub conv_bias: Vec<f32>,
    pub x_proj: Vec<f32>,
    pub dt_weight: Vec<f32>,
    pub dt_bias: Vec<f32>,
    pub a_logs: Vec<f32>,
    pub skip: Vec<f32>,
    pub out_norm_scale: Vec<f32>,
    pub out_norm_shift: Vec<f32>,
    pub out_proj: Vec<f32>,
}

impl OssmShape {
    fn map(&self) -> MapShape {
        MapShape { batch: self.batch, height: self.height, width: self.width, channels: self.inner }
    }

    fn scan(&self) -> OmniShape {
        let Self { batch, height, width, inner: channels, states, rank, directions, .. } = *self;
        OmniShape { batch, height, width, channels, states, rank, directions }
    }

    /// Columns of the scan's projections.
    fn projected(&self) -> usize {
        self.directions.count() * (self.rank + 2 * self.states)
    }
}

/// The products' weights and the scan's operands of a call.
struct Branch<'a> {
    shape: OssmShape,
    inputs: &'a OssmInputs<'a>,
    /// `-exp(a_logs)`.
    a: Vec<f32>,
}

impl<'a> Branch<'a> {
    fn new(shape: OssmShape, inputs: &'a OssmInputs<'a>) -> Self {
        let mut a = inputs.a_logs.to_vec();
        a.par_chunks_mut(PIECE).for_each(|a| exp_in_place(a, -1.0));
        Self { shape, inputs, a }
    }

    fn in_proj(&self) -> Matrix<'a> {
        Matrix::new(self.inputs.in_proj, self.shape.channels, 2 * self.shape.inner)
    }

    fn x_proj(&self) -> Matrix<'a> {
        Matrix::new(self.inputs.x_proj, self.shape.projected(), self.shape.inner)
    }

    fn out_proj(&self) -> Matrix<'a> {
        Matrix::new(self.inputs.out_proj, self.shape.inner, self.shape.channels)
    }

    fn normed(&self) -> Vec<f32> {
        layer_norm(Rows::new(self.inputs.x, self.shape.channels), self.inputs.norm, false)
    }

    fn scan<'b>(&'b self, u: &'b [f32], projection: &'b [f32]) -> OmniInputs<'b, f32> {
        OmniInputs {
            u,
            projection,
            dt_weight: self.inputs.dt_weight,
            a: &self.a,
            skip: Some(self.inputs.skip),
            delta_bias: Some(self.inputs.dt_bias),
            delta_softplus: true,
        }
    }

    /// The scan; where `keep`, with its checkpoints.
    fn run(&self, u: &[f32], projection: &[f32], keep: bool) -> (Vec<f32>, Option<Checkpoints>) {
        let (shape, inputs) = (self.shape.scan(), self.scan(u, projection));
        let run = if keep {
            omni_selective_scan_recorded(shape, &inputs).map(|(y, checkpoints)| (y, Some(checkpoints)))
        } else {
            omni_selective_scan(shape, &inputs).map(|y| (y, None))
        };
        run.unwrap_or_else(|error| panic!("{error}"))
    }

    fn run_backward(&self, u: &[f32], projection: &[f32], from: &Checkpoints, dy: &[f32]) -> OmniGradients<f32> {
        let (shape, inputs) = (self.shape.scan(), self.scan(u, projection));
        omni_selective_scan_backward_from(shape, &inputs, from, dy, OmniNeeds::ALL)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The half of the hidden map that is scanned.
    fn scanned<'b>(&self, hidden: &'b [f32]) -> Rows<'b> {
        Rows::columns_of(hidden, 2 * self.shape.inner, 0, self.shape.inner)
    }

    /// The half that is the gate.
    fn gate<'b>(&self, hidden: &'b [f32]) -> Rows<'b> {
        Rows::columns_of(hidden, 2 * self.shape.inner, self.shape.inner, self.shape.inner)
    }
}

/// `x + s OSSM(LN x)` of the RS-Mamba paper (arXiv 2404.02668, figure 3), `[B, H, W, C]`; where `keep`, also what the backward pass
/// needs.
///
/// # Panics
///
/// When an operand does not fit `shape`.
pub fn ossm(shape: OssmShape, inputs: &OssmInputs<'_>, keep: bool) -> (Vec<f32>, Option<OssmKept>) {
    let branch = Branch::new(shape, inputs);
    let hidden = product(Rows::new(&branch.normed(), shape.channels), branch.in_proj(), Start::Zero);
    let u = depthwise_silu(shape.map(), branch.scanned(&hidden), inputs.conv_weight, inputs.conv_bias);
    let projection = product(Rows::new(&u, shape.inner), branch.x_proj().transposed(), Start::Zero);
    let (y, checkpoints) = branch.run(&u, &projection, keep);
    let kept = checkpoints.map(|checkpoints| (u, projection, checkpoints));
    let mut gated = gated_norm(Rows::new(&y, shape.inner), inputs.out_norm, branch.gate(&hidden));
    scale_samples(&mut gated, inputs.scale);
    let start = Start::Residual { matrix: inputs.x, bias: None, scale: None };
    let out = product(Rows::new(&gated, shape.inner), branch.out_proj(), start);
    (out, kept.map(|(u, projection, checkpoints)| OssmKept { hidden, u, projection, checkpoints, y }))
}

/// Gradients of [`ossm`] for the gradient `dy [B, H, W, C]` of its result.
///
/// # Panics
///
/// When an operand does not fit `shape`.
pub fn ossm_backward(shape: OssmShape, inputs: &OssmInputs<'_>, kept: &OssmKept, dy: &[f32]) -> OssmGradients {
    let OssmKept { hidden, u, projection, checkpoints, y } = kept;
    let (channels, inner) = (shape.channels, shape.inner);
    let branch = Branch::new(shape, inputs);
    let dbranch = branch_gradient(dy, inputs.scale);
    let dbranch = Rows::new(&dbranch, channels);
    let mut dhidden = zeros(hidden.len());

    let dgated = product(dbranch, branch.out_proj().transposed(), Start::Zero);
    let dgate = RowsMut::columns_of(&mut dhidden, 2 * inner, inner, inner);
    let (out_norm, gated) =
        gated_norm_backward(Rows::new(y, inner), inputs.out_norm, branch.gate(hidden), &dgated, dgate);
    drop(dgated);
    let out_proj = product(Matrix::from(Rows::new(&gated, inner)).transposed(), dbranch, Start::Zero);
    drop(gated);

    let scan = branch.run_backward(u, projection, checkpoints, &out_norm.x);
    let wanted = "all gradients are asked for";
    let (mut du, dprojection) = (scan.u.expect(wanted), scan.projection.expect(wanted));
    let dprojection = Rows::new(&dprojection, shape.projected());
    let x_proj = product(Matrix::from(dprojection).transposed(), Rows::new(u, inner), Start::Zero);
    add_product(dprojection, branch.x_proj(), &mut du);
    // d/da_log of -exp(a_log) is a itself.
    let mut a_logs = scan.a.expect(wanted);
    a_logs.iter_mut().zip(&branch.a).for_each(|(da, a)| *da *= a);

    let dscanned = RowsMut::columns_of(&mut dhidden, 2 * inner, 0, inner);
    let conv = depthwise_silu_backward(
        shape.map(),
        branch.scanned(hidden),
        inputs.conv_weight,
        inputs.conv_bias,
        &du,
        dscanned,
    );
    drop(du);

    let dhidden = Rows::new(&dhidden, 2 * inner);
    let in_proj = product(Matrix::from(Rows::new(&branch.normed(), channels)).transposed(), dhidden, Start::Zero);
    let dnormed = product(dhidden, branch.in_proj().transposed(), Start::Zero);
    let mut norm = layer_norm_backward(Rows::new(inputs.x, channels), inputs.norm, false, &dnormed);
    add_residual(&mut norm.x, dy);
    OssmGradients {
        x: norm.x,
        norm_scale: norm.scale,
        norm_shift: norm.shift,
        in_proj,
        conv_weight: conv.weight,
        conv_bias: conv.bias,
        x_proj,
        dt_weight: scan.dt_weight.expect(wanted),
        dt_bias: scan.delta_bias.expect(wanted),
        a_logs,
        skip: scan.skip.expect(wanted),
        out_norm_scale: out_norm.scale,
        out_norm_shift: out_norm.shift,
        out_proj,
    }
}
