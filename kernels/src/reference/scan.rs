use super::{softplus, softplus_grad};
use crate::definition::{ScanError, ScanGradients, ScanInputs, ScanNeeds, ScanShape};

/// Plain selective scan in f64; see the crate's formula.
///
/// Returns `y [B, G * D, L]` and the last state `[B, G * D, N]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn selective_scan(shape: ScanShape, inputs: &ScanInputs<'_, f64>) -> Result<(Vec<f64>, Vec<f64>), ScanError> {
    shape.check("selective_scan", inputs)?;
    let ScanShape { batch, groups, channels, states, length } = shape;
    let mut y = vec![0.0; shape.sequence_len()];
    let mut last_state = vec![0.0; batch * groups * channels * states];
    for (row, state) in last_state.chunks_exact_mut(states).enumerate() {
        let channel = row % (groups * channels);
        let group = (row / (groups * channels)) * groups + channel / channels;
        for l in 0..length {
            let u = inputs.u[row * length + l];
            let dt = step(inputs, channel, inputs.delta[row * length + l]).0;
            let mut sum = inputs.skip.map_or(0.0, |skip| skip[channel] * u);
            for n in 0..states {
                let projection = (group * states + n) * length + l;
                state[n] = (dt * inputs.a[channel * states + n]).exp() * state[n] + dt * inputs.b[projection] * u;
                sum += inputs.c[projection] * state[n];
            }
            y[row * length + l] = sum;
        }
    }
    Ok((y, last_state))
}

/// Gradients of [`selective_scan`] for the output gradient `dy [B, G * D, L]`.
///
/// # Errors
///
/// [`ScanError`] when a slice does not fit `shape`.
pub fn selective_scan_backward(
    shape: ScanShape,
    inputs: &ScanInputs<'_, f64>,
    dy: &[f64],
    needs: ScanNeeds,
) -> Result<ScanGradients<f64>, ScanError> {
    shape.check("selective_scan_backward", inputs)?;
    shape.check_grad("selective_scan_backward", dy)?;
    let ScanShape { batch, groups, channels, states, length } = shape;
    let all_channels = groups * channels;
    let mut du = vec![0.0; shape.sequence_len()];
    let mut ddelta = vec![0.0; shape.sequence_len()];
    let mut da = vec![0.0; all_channels * states];
    let mut db = vec![0.0; shape.projection_len()];
    let mut dc = vec![0.0; shape.projection_len()];
    let mut dskip = vec![0.0; all_channels];
    let mut ddelta_bias = vec![0.0; all_channels];
    // states of one channel before each step: h[l] holds h_{l-1}, so h[0] is 0
    let mut h = vec![0.0; (length + 1) * states];
    let mut dh = vec![0.0; states];
    for row in 0..batch * all_channels {
        let channel = row % all_channels;
        let group = (row / all_channels) * groups + channel / channels;
        let projection = |n: usize, l: usize| (group * states + n) * length + l;
        for l in 0..length {
            let dt = step(inputs, channel, inputs.delta[row * length + l]).0;
            for n in 0..states {
                h[(l + 1) * states + n] = (dt * inputs.a[channel * states + n]).exp() * h[l * states + n]
                    + dt * inputs.b[projection(n, l)] * inputs.u[row * length + l];
            }
        }
        dh.fill(0.0);
        for l in (0..length).rev() {
            let (u, dy) = (inputs.u[row * length + l], dy[row * length + l]);
            let (dt, slope) = step(inputs, channel, inputs.delta[row * length + l]);
            let mut ddt = 0.0;
            let mut du_l = inputs.skip.map_or(0.0, |skip| skip[channel] * dy);
            for n in 0..states {
                let a = inputs.a[channel * states + n];
                let (b, c) = (inputs.b[projection(n, l)], inputs.c[projection(n, l)]);
                let decay = (dt * a).exp();
                let before = h[l * states + n];
                dh[n] += c * dy;
                dc[projection(n, l)] += h[(l + 1) * states + n] * dy;
                db[projection(n, l)] += dh[n] * dt * u;
                du_l += dh[n] * dt * b;
                ddt += dh[n] * (a * decay * before + b * u);
                da[channel * states + n] += dh[n] * dt * decay * before;
                dh[n] *= decay;
            }
            du[row * length + l] = du_l;
            ddelta[row * length + l] = ddt * slope;
            dskip[channel] += u * dy;
            ddelta_bias[channel] += ddt * slope;
        }
    }
    Ok(ScanGradients {
        u: needs.u.then_some(du),
        delta: needs.delta.then_some(ddelta),
        a: needs.a.then_some(da),
        b: needs.b.then_some(db),
        c: needs.c.then_some(dc),
        skip: (needs.skip && inputs.skip.is_some()).then_some(dskip),
        delta_bias: (needs.delta_bias && inputs.delta_bias.is_some()).then_some(ddelta_bias),
    })
}

/// The step `dt` and its derivative by `delta`.
fn step(inputs: &ScanInputs<'_, f64>, channel: usize, delta: f64) -> (f64, f64) {
    let x = delta + inputs.delta_bias.map_or(0.0, |bias| bias[channel]);
    if inputs.delta_softplus { (softplus(x), softplus_grad(x)) } else { (x, 1.0) }
}
