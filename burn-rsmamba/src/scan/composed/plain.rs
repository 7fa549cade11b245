use super::{narrow, reshape, softplus, sum_out, zeros};
use crate::scan::ops::{OptionalTensor, ScanGradientTensors, ScanTensors};
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use burn_rsmamba_kernels::ScanNeeds;

/// Steps between two states that the backward pass keeps.
const CHUNK: usize = 64;

/// Plain form: `y [B, G * D, L]` and the last state `[B, G * D, N]`.
pub(crate) fn selective_scan<B: Backend>(
    inputs: ScanTensors<B>,
    delta_softplus: bool,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let scan = Scan::<B>::new(inputs, delta_softplus);
    let Sizes { batch, groups, channels, states, length } = scan.sizes;
    let mut state = scan.initial_state();
    let mut ys = Vec::with_capacity(length);
    for l in 0..length {
        let step = scan.step(l);
        state = step.advance(state);
        ys.push(B::float_sum_dim(B::float_mul(state.clone(), step.c), 3));
    }
    let mut y = reshape::<B, 3>(B::float_cat(ys, 3), [batch, groups * channels, length]);
    if let Some(skip) = scan.skip {
        let u = reshape::<B, 3>(scan.u, [batch, groups * channels, length]);
        y = B::float_add(y, B::float_mul(u, reshape::<B, 3>(skip, [1, groups * channels, 1])));
    }
    (y, reshape::<B, 3>(state, [batch, groups * channels, states]))
}

/// Gradients of the plain form for the output gradient `dy [B, G * D, L]`, by the formulas of the f64 reference: those that `needs` asks
/// for, each in the shape of its input.
pub fn selective_scan_backward<B: Backend>(
    inputs: ScanTensors<B>,
    dy: FloatTensor<B>,
    delta_softplus: bool,
    needs: ScanNeeds,
) -> ScanGradientTensors<B> {
    let scan = Scan::<B>::new(inputs, delta_softplus);
    let Sizes { batch, groups, channels, states, length } = scan.sizes;
    let dy = reshape::<B, 4>(dy, [batch, groups, channels, length]);

    let mut checkpoints = vec![scan.initial_state()];
    for chunk in 0..(length - 1) / CHUNK {
        let state = (chunk * CHUNK..(chunk + 1) * CHUNK)
            .fold(checkpoints[chunk].clone(), |state, l| scan.step(l).advance(state));
        checkpoints.push(state);
    }

    let mut dh = scan.initial_state();
    let mut da = zeros::<B, 4>(&scan.u, [1, groups, channels, states]);
    // collected from the last step to the first
    let (mut du, mut ddt, mut db, mut dc) = (vec![], vec![], vec![], vec![]);
    for (chunk, first) in checkpoints.into_iter().enumerate().rev() {
        let steps = chunk * CHUNK..length.min((chunk + 1) * CHUNK);
        let mut befores = vec![first];
        for l in steps.clone() {
            let next = scan.step(l).advance(befores[l - steps.start].clone());
            befores.push(next);
        }
        let mut after = befores.pop().expect("one state before each step and one after the last");
        for (l, before) in steps.rev().zip(befores.into_iter().rev()) {
            let step = scan.step(l);
            let dy = narrow::<B>(dy.clone(), 3, l, 1);
            dh = B::float_add(dh, B::float_mul(dy.clone(), step.c));
            dc.push(sum_out::<B>(B::float_mul(dy, after), 2));
            db.push(sum_out::<B>(B::float_mul(dh.clone(), step.input), 2));
            let next = B::float_mul(dh.clone(), step.decay);
            let decayed = B::float_mul(next.clone(), before.clone());
            let by_b = B::float_sum_dim(B::float_mul(dh, step.b), 3);
            let by_a = B::float_sum_dim(B::float_mul(decayed.clone(), scan.a.clone()), 3);
            du.push(B::float_mul(by_b.clone(), step.dt.clone()));
            ddt.push(B::float_add(by_a, B::float_mul(by_b, step.u)));
            da = B::float_add(da, B::float_sum_dim(B::float_mul(decayed, step.dt), 0));
            dh = next;
            after = before;
        }
    }

    let sequence = [batch, groups * channels, length];
    let in_order = |mut parts: Vec<FloatTensor<B>>, dim| {
        parts.reverse();
        B::float_cat(parts, dim)
    };
    let mut du = in_order(du, 3);
    if let Some(skip) = scan.skip.clone() {
        du = B::float_add(du, B::float_mul(dy.clone(), reshape::<B, 4>(skip, [1, groups, channels, 1])));
    }
    let mut ddelta = in_order(ddt, 3);
    if delta_softplus {
        ddelta = B::float_mul(ddelta, B::sigmoid(scan.x));
    }
    let over_batch_and_steps =
        |tensor: FloatTensor<B>| reshape::<B, 1>(B::float_sum_dim(B::float_sum_dim(tensor, 3), 0), [groups * channels]);
    // [B, G, N] a step becomes [B, G, N, L]
    let projection = |parts: Vec<FloatTensor<B>>| {
        let columns = parts.into_iter().map(|part| reshape::<B, 4>(part, [batch, groups, states, 1])).collect();
        in_order(columns, 3)
    };
    let wanted = |need: bool, gradient: &dyn Fn() -> FloatTensor<B>| OptionalTensor::from(need.then(gradient));
    ScanGradientTensors {
        u: wanted(needs.u, &|| reshape::<B, 3>(du.clone(), sequence)),
        delta: wanted(needs.delta, &|| reshape::<B, 3>(ddelta.clone(), sequence)),
        a: wanted(needs.a, &|| reshape::<B, 2>(da.clone(), [groups * channels, states])),
        b: wanted(needs.b, &|| projection(db.clone())),
        c: wanted(needs.c, &|| projection(dc.clone())),
        skip: wanted(needs.skip && scan.skip.is_some(), &|| {
            over_batch_and_steps(B::float_mul(dy.clone(), scan.u.clone()))
        }),
        delta_bias: wanted(needs.delta_bias && scan.has_bias, &|| over_batch_and_steps(ddelta.clone())),
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    groups: usize,
    channels: usize,
    states: usize,
    length: usize,
}

/// The operands with groups and channels apart.
struct Scan<B: Backend> {
    sizes: Sizes,
    /// `[B, G, D, L]`
    u: FloatTensor<B>,
    /// Step before softplus, `[B, G, D, L]`
    x: FloatTensor<B>,
    /// Step, `[B, G, D, L]`
    dt: FloatTensor<B>,
    /// `[1, G, D, N]`
    a: FloatTensor<B>,
    /// `[B, G, N, L]`
    b: FloatTensor<B>,
    /// `[B, G, N, L]`
    c: FloatTensor<B>,
    skip: Option<FloatTensor<B>>,
    has_bias: bool,
}

/// The operands of one step, shaped to broadcast over `[B, G, D, N]`.
struct Step<B: Backend> {
    u: FloatTensor<B>,
    dt: FloatTensor<B>,
    b: FloatTensor<B>,
    c: FloatTensor<B>,
    decay: FloatTensor<B>,
    /// `dt * u`
    input: FloatTensor<B>,
}

impl<B: Backend> Step<B> {
    /// `h <- exp(dt a) h + dt b u`
    fn advance(&self, state: FloatTensor<B>) -> FloatTensor<B> {
        let input = B::float_mul(self.input.clone(), self.b.clone());
        B::float_add(B::float_mul(self.decay.clone(), state), input)
    }
}

impl<B: Backend> Scan<B> {
    fn new(inputs: ScanTensors<B>, delta_softplus: bool) -> Self {
        let [batch, groups, states, length] = inputs.b.shape().dims();
        let channels = inputs.a.shape()[0] / groups;
        let sizes = Sizes { batch, groups, channels, states, length };
        let sequence = [batch, groups, channels, length];
        let mut x = reshape::<B, 4>(inputs.delta, sequence);
        let bias = inputs.delta_bias.into_option();
        let has_bias = bias.is_some();
        if let Some(bias) = bias {
            x = B::float_add(x, reshape::<B, 4>(bias, [1, groups, channels, 1]));
        }
        Self {
            sizes,
            u: reshape::<B, 4>(inputs.u, sequence),
            dt: if delta_softplus { softplus::<B>(x.clone()) } else { x.clone() },
            x,
            a: reshape::<B, 4>(inputs.a, [1, groups, channels, states]),
            b: inputs.b,
            c: inputs.c,
            skip: inputs.skip.into_option(),
            has_bias,
        }
    }

    fn initial_state(&self) -> FloatTensor<B> {
        let Sizes { batch, groups, channels, states, .. } = self.sizes;
        zeros::<B, 4>(&self.u, [batch, groups, channels, states])
    }

    fn step(&self, l: usize) -> Step<B> {
        let Sizes { batch, groups, states, .. } = self.sizes;
        let column = |tensor: &FloatTensor<B>| narrow::<B>(tensor.clone(), 3, l, 1);
        let projection = |tensor: &FloatTensor<B>| reshape::<B, 4>(column(tensor), [batch, groups, 1, states]);
        let (u, dt) = (column(&self.u), column(&self.dt));
        Step {
            decay: B::float_exp(B::float_mul(dt.clone(), self.a.clone())),
            input: B::float_mul(dt.clone(), u.clone()),
            b: projection(&self.b),
            c: projection(&self.c),
            u,
            dt,
        }
    }
}
