use super::{
    backward::{Wanted, backward},
    forward::forward,
    geometry::Geometry,
    problem::{Operands, Problem},
};
use crate::{
    definition::{ScanError, ScanNeeds, ScanShape, check_dimensions},
    gpu::{
        resources::{Buffer, F32, check_element, check_index},
        scan::{ScanStrategy, blueprint::WantedParameters},
    },
};
use cubecl::{client::Client, ir::ElemType, server::Handle};

/// Operands of a plain scan on one device: contiguous row-major buffers, parameters in f32.
#[derive(Debug, Clone)]
pub struct GpuScanInputs {
    /// Element of `u`, `delta`, `b` and `c`: f32, f16 or bf16.
    pub element: ElemType,
    /// Input, `[B, G * D, L]`.
    pub u: Handle,
    /// Step before bias and softplus, `[B, G * D, L]`.
    pub delta: Handle,
    /// Decay, `[G * D, N]`, f32.
    pub a: Handle,
    /// Input projection, `[B, G, N, L]`.
    pub b: Handle,
    /// Output projection, `[B, G, N, L]`.
    pub c: Handle,
    /// Skip connection, `[G * D]`, f32.
    pub skip: Option<Handle>,
    /// Bias of the step, `[G * D]`, f32.
    pub delta_bias: Option<Handle>,
    /// Whether the step goes through softplus (linear above 20).
    pub delta_softplus: bool,
}

/// Gradients of a plain scan, each in the shape of its input; `None` where it was not asked for.
#[derive(Debug, Clone, Default)]
pub struct GpuScanGradients {
    /// Gradient of `u`, in the inputs' element.
    pub u: Option<Handle>,
    /// Gradient of `delta`, in the inputs' element.
    pub delta: Option<Handle>,
    /// Gradient of `a`, in f32.
    pub a: Option<Handle>,
    /// Gradient of `b`, in the inputs' element.
    pub b: Option<Handle>,
    /// Gradient of `c`, in the inputs' element.
    pub c: Option<Handle>,
    /// Gradient of `skip`, in f32.
    pub skip: Option<Handle>,
    /// Gradient of `delta_bias`, in f32.
    pub delta_bias: Option<Handle>,
}

/// Plain selective scan on the device of `client`; see the crate's formula.
///
/// Returns `y [B, G * D, L]` and the last state `[B, G * D, N]`, both in the inputs' element. Work is queued, not awaited.
///
/// # Errors
///
/// [`ScanError::Empty`] for a zero dimension, [`ScanError::Length`] for a buffer that is too short, [`ScanError::Element`]
/// for another element type, [`ScanError::DeviceLimit`] where the device cannot run the kernels at this size.
pub fn selective_scan(
    client: &Client,
    shape: ScanShape,
    inputs: &GpuScanInputs,
    strategy: ScanStrategy,
) -> Result<(Handle, Handle), ScanError> {
    let problem = problem("selective_scan", client, shape, inputs)?;
    let (y, last_state) = forward(&problem, strategy, true)?;
    let last_state = last_state.expect("the last state was asked for");
    Ok((y.into_handle(), last_state.into_handle()))
}

/// Gradients of [`selective_scan`] for the output gradient `dy [B, G * D, L]` in the inputs' element.
///
/// # Errors
///
/// As [`selective_scan`].
pub fn selective_scan_backward(
    client: &Client,
    shape: ScanShape,
    inputs: &GpuScanInputs,
    dy: &Handle,
    needs: ScanNeeds,
    strategy: ScanStrategy,
) -> Result<GpuScanGradients, ScanError> {
    let op = "selective_scan_backward";
    let problem = problem(op, client, shape, inputs)?;
    let dy = Buffer::operand(op, "dy", SEQUENCE, dy, shape.sequence_len(), inputs.element)?;
    let skip = needs.skip && inputs.skip.is_some();
    let bias = needs.delta_bias && inputs.delta_bias.is_some();
    let parameters = WantedParameters { a: needs.a, skip, bias, weight: false };
    let wanted = Wanted { input: needs.u, step: needs.delta, rows: needs.b || needs.c, parameters };
    if !(wanted.input || wanted.step || wanted.rows || wanted.parameters.any()) {
        return Ok(GpuScanGradients::default());
    }
    let gradients = backward(&problem, &dy, strategy, wanted)?;
    let len = shape.projection_len();
    Ok(GpuScanGradients {
        b: needs.b.then(|| gradients.rows(&problem, 0, len).into_handle()),
        c: needs.c.then(|| gradients.rows(&problem, len, len).into_handle()),
        a: gradients.parameters.a.map(Buffer::into_handle),
        skip: gradients.parameters.skip.map(Buffer::into_handle),
        delta_bias: gradients.parameters.bias.map(Buffer::into_handle),
        u: gradients.input.map(Buffer::into_handle),
        delta: gradients.step.map(Buffer::into_handle),
    })
}

const SEQUENCE: &str = "[batch, groups * channels, length]";
const PROJECTION: &str = "[batch, groups, states, length]";
const CHANNELS: &str = "[groups * channels]";

fn problem<'a>(
    op: &'static str,
    client: &'a Client,
    shape: ScanShape,
    inputs: &GpuScanInputs,
) -> Result<Problem<'a>, ScanError> {
    check_dimensions(
        op,
        &[
            ("batch", shape.batch),
            ("groups", shape.groups),
            ("channels", shape.channels),
            ("states", shape.states),
            ("length", shape.length),
        ],
    )?;
    check_element(op, inputs.element)?;
    let geometry = Geometry::plain(shape);
    check_index(op, geometry.input_len().max(geometry.rows))?;
    let tensor = |argument, layout, handle, len| Buffer::operand(op, argument, layout, handle, len, inputs.element);
    let parameter = |argument, layout, handle, len| Buffer::operand(op, argument, layout, handle, len, F32);
    let channels = shape.all_channels();
    let a = parameter("a", "[groups * channels, states]", &inputs.a, channels * shape.states)?;
    let operands = Operands {
        u: tensor("u", SEQUENCE, &inputs.u, shape.sequence_len())?,
        step: tensor("delta", SEQUENCE, &inputs.delta, shape.sequence_len())?,
        b: tensor("b", PROJECTION, &inputs.b, shape.projection_len())?,
        c: tensor("c", PROJECTION, &inputs.c, shape.projection_len())?,
        bias: inputs.delta_bias.as_ref().map(|bias| parameter("delta_bias", CHANNELS, bias, channels)).transpose()?,
        skip: inputs.skip.as_ref().map(|skip| parameter("skip", CHANNELS, skip, channels)).transpose()?,
        weight: a.clone(),
        a,
    };
    Ok(Problem { op, client, geometry, operands, element: inputs.element, softplus: inputs.delta_softplus })
}
