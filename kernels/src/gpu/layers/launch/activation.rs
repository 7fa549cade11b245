use super::rows::{check_even, operand};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{
            add_scaled, bias_gelu as gelu_kernel, bias_gelu_slope, place_rows as place_kernel, scale_rows,
        },
        resources::{Buffer, F32, FLAT_UNITS, check_index, flat},
    },
};
use cubecl::{client::Client, server::Handle};

const MATRIX: &str = "[rows, columns]";

/// `GELU(before + bias)` by the error function (Hendrycks and Gimpel 2016), `[rows, columns]`, f32; `bias` is one a column.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn bias_gelu(
    client: &Client,
    [rows, columns]: [usize; 2],
    before: &Handle,
    bias: &Handle,
) -> Result<Handle, ScanError> {
    let op = "bias_gelu";
    let elements = rows * columns;
    check_index(op, elements)?;
    let before = operand(op, "before", MATRIX, before, elements)?;
    let bias = operand(op, "bias", "[columns]", bias, columns)?;
    let after = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and every buffer holds what was checked.
    unsafe {
        gelu_kernel::launch_unchecked(client, count, dim, before.arg(), bias.arg(), after.arg(), elements, columns);
    }
    Ok(after.into_handle())
}

/// The result of [`bias_gelu`] once more; what `gradient [rows, columns]` holds of it is replaced by the gradient of `before`.
///
/// # Errors
///
/// As [`bias_gelu`].
pub fn bias_gelu_backward(
    client: &Client,
    [rows, columns]: [usize; 2],
    before: &Handle,
    bias: &Handle,
    gradient: &Handle,
) -> Result<Handle, ScanError> {
    let op = "bias_gelu_backward";
    let elements = rows * columns;
    check_index(op, elements)?;
    let before = operand(op, "before", MATRIX, before, elements)?;
    let bias = operand(op, "bias", "[columns]", bias, columns)?;
    let gradient = operand(op, "gradient", MATRIX, gradient, elements)?;
    let after = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `bias_gelu`.
    unsafe {
        bias_gelu_slope::launch_unchecked(
            client,
            count,
            dim,
            before.arg(),
            bias.arg(),
            gradient.arg(),
            after.arg(),
            elements,
            columns,
        );
    }
    Ok(after.into_handle())
}

/// `x + scale (branch + bias)`, `[rows, columns]`, f32: `bias` one a column, `scale` one a sample of `rows / samples` rows.
///
/// # Errors
///
/// As [`bias_gelu`].
pub fn add_branch(
    client: &Client,
    [rows, columns]: [usize; 2],
    x: &Handle,
    branch: &Handle,
    bias: Option<&Handle>,
    scale: Option<(&Handle, usize)>,
) -> Result<Handle, ScanError> {
    let op = "add_branch";
    let elements = rows * columns;
    check_index(op, elements)?;
    let x = operand(op, "x", MATRIX, x, elements)?;
    let branch = operand(op, "branch", MATRIX, branch, elements)?;
    let bias = bias.map(|bias| operand(op, "bias", "[columns]", bias, columns)).transpose()?;
    let samples = scale.map_or(1, |(_, samples)| samples);
    check_even(op, "samples", rows, samples)?;
    let scale = scale.map(|(scale, samples)| operand(op, "scale", "[samples]", scale, samples)).transpose()?;
    let y = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `bias_gelu`; an absent operand is bound to `x` and not read.
    unsafe {
        add_scaled::launch_unchecked(
            client,
            count,
            dim,
            x.arg(),
            branch.arg(),
            bias.as_ref().unwrap_or(&x).arg(),
            scale.as_ref().unwrap_or(&x).arg(),
            y.arg(),
            elements,
            columns,
            elements / samples,
            bias.is_some(),
            scale.is_some(),
        );
    }
    Ok(y.into_handle())
}

/// `scale x`, `[rows, columns]`, f32: `scale [samples]` is one a sample of `rows / samples` rows.
///
/// # Errors
///
/// As [`bias_gelu`].
pub fn scale_samples(
    client: &Client,
    [rows, columns]: [usize; 2],
    x: &Handle,
    scale: &Handle,
    samples: usize,
) -> Result<Handle, ScanError> {
    let op = "scale_samples";
    let elements = rows * columns;
    check_even(op, "samples", rows, samples)?;
    check_index(op, elements)?;
    let x = operand(op, "x", MATRIX, x, elements)?;
    let scale = operand(op, "scale", "[samples]", scale, samples)?;
    let y = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `bias_gelu`.
    unsafe {
        scale_rows::launch_unchecked(client, count, dim, x.arg(), scale.arg(), y.arg(), elements, elements / samples);
    }
    Ok(y.into_handle())
}

/// Writes `x + bias`, `x [rows, columns]`, into `out` from row `first` on; f32.
///
/// # Errors
///
/// As [`bias_gelu`].
pub fn place_rows(
    client: &Client,
    [rows, columns]: [usize; 2],
    x: &Handle,
    bias: Option<&Handle>,
    out: &Handle,
    first: usize,
) -> Result<(), ScanError> {
    let op = "place_rows";
    let elements = rows * columns;
    check_index(op, first * columns + elements)?;
    let x = operand(op, "x", MATRIX, x, elements)?;
    let bias = bias.map(|bias| operand(op, "bias", "[columns]", bias, columns)).transpose()?;
    let out = operand(op, "out", "[first + rows, columns]", out, first * columns + elements)?;
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `add_branch`.
    unsafe {
        place_kernel::launch_unchecked(
            client,
            count,
            dim,
            x.arg(),
            bias.as_ref().unwrap_or(&x).arg(),
            out.arg(),
            first * columns,
            elements,
            columns,
            bias.is_some(),
        );
    }
    Ok(())
}
