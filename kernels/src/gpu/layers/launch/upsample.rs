use super::{depthwise::GpuMap, rows::operand};
use crate::{
    definition::{ScanError, check_dimensions, check_length},
    gpu::{
        layers::kernel::{add_doubled as add_kernel, sum_fours as sum_kernel, upsample_input, upsample_output},
        resources::{Buffer, F32, FLAT_UNITS, check_index, flat},
    },
};
use cubecl::{client::Client, server::Handle};

const SMALL: &str = "[batch, height, width, channels]";
const LARGE: &str = "[batch, 2 * height, 2 * width, channels]";

/// Doubles a map bilinearly with aligned corners: `[B, H, W, C]` to `[B, 2 H, 2 W, C]`, f32. The map is whole rows.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn upsample_bilinear2x(client: &Client, x: &GpuMap) -> Result<Handle, ScanError> {
    let op = "upsample_bilinear2x";
    let (small, large) = sizes(op, x)?;
    let values = operand(op, "x", SMALL, &x.rows.handle, small)?;
    let y = Buffer::empty(client, large, F32);
    let (count, dim) = flat(client, large, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and both buffers hold what was checked.
    unsafe {
        upsample_output::launch_unchecked(
            client,
            count,
            dim,
            values.arg(),
            y.arg(),
            large,
            x.height,
            x.width,
            x.rows.columns,
        );
    }
    Ok(y.into_handle())
}

/// Gradient of [`upsample_bilinear2x`] for `dy [B, 2 H, 2 W, C]`, which takes the place of the values in `x`.
///
/// # Errors
///
/// As [`upsample_bilinear2x`].
pub fn upsample_bilinear2x_backward(client: &Client, x: &GpuMap, dy: &Handle) -> Result<Handle, ScanError> {
    let op = "upsample_bilinear2x_backward";
    let (small, large) = sizes(op, x)?;
    let dy = operand(op, "dy", LARGE, dy, large)?;
    let dx = Buffer::empty(client, small, F32);
    let (count, dim) = flat(client, small, FLAT_UNITS);
    // SAFETY: as in `upsample_bilinear2x`.
    unsafe {
        upsample_input::launch_unchecked(
            client,
            count,
            dim,
            dy.arg(),
            dx.arg(),
            small,
            x.height,
            x.width,
            x.rows.columns,
        );
    }
    Ok(dx.into_handle())
}

/// Adds `small [B, H, W, C]`, each pixel four times, to `large [B, 2 H, 2 W, C]`; f32.
///
/// # Errors
///
/// As [`upsample_bilinear2x`].
pub fn add_doubled(client: &Client, small: &GpuMap, large: &Handle) -> Result<(), ScanError> {
    let op = "add_doubled";
    let (few, many) = sizes(op, small)?;
    let values = operand(op, "small", SMALL, &small.rows.handle, few)?;
    let large = operand(op, "large", LARGE, large, many)?;
    let (count, dim) = flat(client, many, FLAT_UNITS);
    // SAFETY: as in `upsample_bilinear2x`.
    unsafe {
        add_kernel::launch_unchecked(
            client,
            count,
            dim,
            values.arg(),
            large.arg(),
            many,
            small.height,
            small.width,
            small.rows.columns,
        );
    }
    Ok(())
}

/// Sums the four pixels of `large [B, 2 H, 2 W, C]` that belong to each of a map `[B, H, W, C]`, whose sizes `like` has; f32.
///
/// # Errors
///
/// As [`upsample_bilinear2x`].
pub fn sum_fours(client: &Client, like: &GpuMap, large: &Handle) -> Result<Handle, ScanError> {
    let op = "sum_fours";
    let (few, many) = sizes(op, like)?;
    let large = operand(op, "large", LARGE, large, many)?;
    let small = Buffer::empty(client, few, F32);
    let (count, dim) = flat(client, few, FLAT_UNITS);
    // SAFETY: as in `upsample_bilinear2x`.
    unsafe {
        sum_kernel::launch_unchecked(
            client,
            count,
            dim,
            large.arg(),
            small.arg(),
            few,
            like.height,
            like.width,
            like.rows.columns,
        );
    }
    Ok(small.into_handle())
}

/// Elements of the map and of the doubled one.
fn sizes(op: &'static str, x: &GpuMap) -> Result<(usize, usize), ScanError> {
    let small = x.rows.len();
    check_dimensions(op, &[("rows", x.rows.rows), ("columns", x.rows.columns)])?;
    x.check(op)?;
    // The kernels take rows for dense.
    check_length(op, "x", "columns of a whole matrix", x.rows.columns, x.rows.offset + x.rows.pitch)?;
    check_index(op, 4 * small)?;
    Ok((small, 4 * small))
}
