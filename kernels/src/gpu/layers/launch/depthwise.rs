use super::{
    rows::{GpuRows, Share, check_even, count, dim, operand},
    sum::partials_of_two,
};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{depthwise_before, depthwise_input, depthwise_output, depthwise_weight},
        resources::{Buffer, F32, FLAT_UNITS, flat},
    },
};
use cubecl::{client::Client, server::Handle};

/// Taps of the kernel.
const TAPS: usize = 9;

/// A channel-last map `[B, H, W, C]` on a device, possibly some channels of a wider one.
#[derive(Debug, Clone)]
pub struct GpuMap {
    /// B H W rows of C channels.
    pub rows: GpuRows,
    /// H, rows of a map.
    pub height: usize,
    /// W, columns of a map.
    pub width: usize,
}

impl GpuMap {
    /// `Ok` when the rows are whole maps.
    pub(super) fn check(&self, op: &'static str) -> Result<(), ScanError> {
        check_even(op, "pixels of a map", self.rows.rows, self.height * self.width)
    }
}

/// Gradients of [`depthwise_silu`] but for that of the map, f32.
#[derive(Debug, Clone)]
pub struct ConvGradients {
    /// Of the weight, `[C, 1, 3, 3]`.
    pub weight: Handle,
    /// Of the bias, `[C]`.
    pub bias: Handle,
}

/// `SiLU` of the depthwise 3×3 convolution with zeros around the map: `[B, H, W, C]`, f32. `weight` is `[C, 1, 3, 3]`, `bias` `[C]`.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn depthwise_silu(client: &Client, x: &GpuMap, weight: &Handle, bias: &Handle) -> Result<Handle, ScanError> {
    let op = "depthwise_silu";
    let [values, weight, bias] = operands(op, x, weight, bias)?;
    let rows = &x.rows;
    let y = Buffer::empty(client, rows.len(), F32);
    let (count, dim) = flat(client, rows.len(), FLAT_UNITS);
    // SAFETY: units reach the pixels and channels that the operands were checked for.
    unsafe {
        depthwise_output::launch_unchecked(
            client,
            count,
            dim,
            values.arg(),
            weight.arg(),
            bias.arg(),
            y.arg(),
            rows.at(),
            rows.rows,
            x.height,
            x.width,
            rows.columns,
        );
    }
    Ok(y.into_handle())
}

/// Gradients of [`depthwise_silu`] for `dy [B, H, W, C]`. The gradient of the map goes where the map lies in `dx`, a matrix like the
/// map's.
///
/// # Errors
///
/// As [`depthwise_silu`].
pub fn depthwise_silu_backward(
    client: &Client,
    x: &GpuMap,
    weight: &Handle,
    bias: &Handle,
    dy: &Handle,
    dx: &Handle,
) -> Result<ConvGradients, ScanError> {
    let op = "depthwise_silu_backward";
    let [values, weight, bias] = operands(op, x, weight, bias)?;
    let rows = &x.rows;
    let dy = operand(op, "dy", "[batch, height, width, channels]", dy, rows.len())?;
    let dx = GpuRows { handle: dx.clone(), ..rows.clone() }.buffer(op, "dx")?;
    let dz = Buffer::empty(client, rows.len(), F32);
    let (cubes, flat_dim) = flat(client, rows.len(), FLAT_UNITS);
    // SAFETY: as in `depthwise_silu`.
    unsafe {
        depthwise_before::launch_unchecked(
            client,
            cubes.clone(),
            flat_dim,
            values.arg(),
            weight.arg(),
            bias.arg(),
            dy.arg(),
            dz.arg(),
            rows.at(),
            rows.rows,
            x.height,
            x.width,
            rows.columns,
        );
        depthwise_input::launch_unchecked(
            client,
            cubes,
            flat_dim,
            dz.arg(),
            weight.arg(),
            dx.arg(),
            rows.at(),
            rows.rows,
            x.height,
            x.width,
            rows.columns,
        );
    }
    let share = Share::of(rows.rows, rows.columns);
    let parts = Buffer::empty(client, share.parts * (TAPS + 1) * rows.columns, F32);
    let dim = dim(op, client)?;
    // SAFETY: cubes reach the pixels and channels that were checked, and the parts that the share has.
    unsafe {
        depthwise_weight::launch_unchecked(
            client,
            count(client, share.cubes),
            dim,
            values.arg(),
            dz.arg(),
            parts.arg(),
            rows.at(),
            rows.rows,
            x.height,
            x.width,
            rows.columns,
            share.some,
            share.cubes,
        );
    }
    let sizes = [TAPS * rows.columns, rows.columns];
    let [weight, bias] = partials_of_two(op, client, &parts, share.parts, sizes)?.map(Buffer::into_handle);
    Ok(ConvGradients { weight, bias })
}

fn operands(op: &'static str, x: &GpuMap, weight: &Handle, bias: &Handle) -> Result<[Buffer; 3], ScanError> {
    let channels = x.rows.columns;
    x.check(op)?;
    Ok([
        x.rows.buffer(op, "x")?,
        operand(op, "weight", "[channels, 1, 3, 3]", weight, TAPS * channels)?,
        operand(op, "bias", "[channels]", bias, channels)?,
    ])
}
