use super::{
    backward::{Wanted, backward},
    forward::forward,
    geometry::Geometry,
    problem::{Operands, Problem},
};
use crate::{
    definition::{OmniNeeds, OmniShape, ScanError, check_dimensions},
    gpu::{
        resources::{Buffer, F32, check_element, check_index},
        scan::{ScanStrategy, blueprint::WantedParameters},
    },
};
use cubecl::{client::Client, ir::ElemType, server::Handle};

/// Operands of an omnidirectional scan on one device: contiguous row-major buffers, channels last, parameters in f32.
#[derive(Debug, Clone)]
pub struct GpuOmniInputs {
    /// Element of `u` and `projection`: f32, f16 or bf16.
    pub element: ElemType,
    /// The map, `[B, H, W, D]`.
    pub u: Handle,
    /// Low-rank step, `b` and `c` of every pixel and direction, `[B, H, W, K, R + 2 N]`.
    pub projection: Handle,
    /// Expansion of the low-rank step, `[K, D, R]`, f32.
    pub dt_weight: Handle,
    /// Decay, `[K * D, N]`, f32.
    pub a: Handle,
    /// Skip connection, `[K * D]`, f32.
    pub skip: Option<Handle>,
    /// Bias of the step, `[K * D]`, f32.
    pub delta_bias: Option<Handle>,
    /// Whether the step goes through softplus (linear above 20).
    pub delta_softplus: bool,
}

/// Gradients of an omnidirectional scan, each in the shape of its input; `None` where it was not asked for.
#[derive(Debug, Clone, Default)]
pub struct GpuOmniGradients {
    /// Gradient of `u`, in the inputs' element.
    pub u: Option<Handle>,
    /// Gradient of `projection`, in the inputs' element.
    pub projection: Option<Handle>,
    /// Gradient of `dt_weight`, in f32.
    pub dt_weight: Option<Handle>,
    /// Gradient of `a`, in f32.
    pub a: Option<Handle>,
    /// Gradient of `skip`, in f32.
    pub skip: Option<Handle>,
    /// Gradient of `delta_bias`, in f32.
    pub delta_bias: Option<Handle>,
}

/// Omnidirectional selective scan on the device of `client`: `y [B, H, W, D]` in the inputs' element.
///
/// Work is queued, not awaited.
///
/// # Errors
///
/// As [`selective_scan`](crate::gpu::selective_scan).
pub fn omni_selective_scan(
    client: &Client,
    shape: OmniShape,
    inputs: &GpuOmniInputs,
    strategy: ScanStrategy,
) -> Result<Handle, ScanError> {
    let problem = problem("omni_selective_scan", client, shape, inputs)?;
    Ok(forward(&problem, strategy, false)?.0.into_handle())
}

/// Gradients of [`omni_selective_scan`] for the output gradient `dy [B, H, W, D]` in the inputs' element.
///
/// # Errors
///
/// As [`selective_scan`](crate::gpu::selective_scan).
pub fn omni_selective_scan_backward(
    client: &Client,
    shape: OmniShape,
    inputs: &GpuOmniInputs,
    dy: &Handle,
    needs: OmniNeeds,
    strategy: ScanStrategy,
) -> Result<GpuOmniGradients, ScanError> {
    let op = "omni_selective_scan_backward";
    let problem = problem(op, client, shape, inputs)?;
    let dy = Buffer::operand(op, "dy", MAP, dy, shape.map_len(), inputs.element)?;
    let skip = needs.skip && inputs.skip.is_some();
    let bias = needs.delta_bias && inputs.delta_bias.is_some();
    let wanted = Wanted {
        input: needs.u,
        step: false,
        rows: needs.projection,
        parameters: WantedParameters { a: needs.a, skip, bias, weight: needs.dt_weight },
    };
    if !(wanted.input || wanted.rows || wanted.parameters.any()) {
        return Ok(GpuOmniGradients::default());
    }
    let gradients = backward(&problem, &dy, strategy, wanted)?;
    Ok(GpuOmniGradients {
        projection: needs.projection.then(|| gradients.rows(&problem, 0, problem.geometry.rows).into_handle()),
        dt_weight: gradients.parameters.weight.map(Buffer::into_handle),
        a: gradients.parameters.a.map(Buffer::into_handle),
        skip: gradients.parameters.skip.map(Buffer::into_handle),
        delta_bias: gradients.parameters.bias.map(Buffer::into_handle),
        u: gradients.input.map(Buffer::into_handle),
    })
}

const MAP: &str = "[batch, height, width, channels]";
const CHANNELS: &str = "[directions * channels]";

fn problem<'a>(
    op: &'static str,
    client: &'a Client,
    shape: OmniShape,
    inputs: &GpuOmniInputs,
) -> Result<Problem<'a>, ScanError> {
    check_dimensions(
        op,
        &[
            ("batch", shape.batch),
            ("height", shape.height),
            ("width", shape.width),
            ("channels", shape.channels),
            ("states", shape.states),
            ("rank", shape.rank),
        ],
    )?;
    check_element(op, inputs.element)?;
    let geometry = Geometry::omni(shape);
    check_index(op, geometry.input_len().max(geometry.rows))?;
    let tensor = |argument, layout, handle, len| Buffer::operand(op, argument, layout, handle, len, inputs.element);
    let parameter = |argument, layout, handle, len| Buffer::operand(op, argument, layout, handle, len, F32);
    let channels = shape.all_channels();
    let layout = "[batch, height, width, directions, rank + 2 * states]";
    // One buffer of rows is the step, `b` and `c`, at the offsets that the geometry knows.
    let rows = tensor("projection", layout, &inputs.projection, geometry.rows)?;
    let operands = Operands {
        u: tensor("u", MAP, &inputs.u, shape.map_len())?,
        step: rows.clone(),
        b: rows.clone(),
        c: rows,
        a: parameter("a", "[directions * channels, states]", &inputs.a, channels * shape.states)?,
        weight: parameter("dt_weight", "[directions, channels, rank]", &inputs.dt_weight, channels * shape.rank)?,
        bias: inputs.delta_bias.as_ref().map(|bias| parameter("delta_bias", CHANNELS, bias, channels)).transpose()?,
        skip: inputs.skip.as_ref().map(|skip| parameter("skip", CHANNELS, skip, channels)).transpose()?,
    };
    Ok(Problem { op, client, geometry, operands, element: inputs.element, softplus: inputs.delta_softplus })
}
