use super::rows::{Share, count, dim, operand};
use crate::{
    cpu::layers::ConvShape,
    definition::{ScanError, check_dimensions},
    gpu::{
        layers::kernel::{
            ConvLayoutLaunch, gather_patches, narrow_input, narrow_output, narrow_weight, scatter_patches,
        },
        resources::{Buffer, F32, FLAT_UNITS, check_index, flat},
    },
};
use cubecl::{client::Client, server::Handle};
use std::ops::Range;

/// Most outputs of a convolution that [`narrow_conv`] takes: beyond, products of patches are faster.
pub const NARROW: usize = 8;

const INPUT: &str = "[batch, height, width, in_channels]";
const OUTPUT: &str = "[batch, out_height, out_width, out_channels]";
const WEIGHT: &str = "[out_channels, in_channels, kernel, kernel]";

fn layout(shape: ConvShape) -> ConvLayoutLaunch {
    let ConvShape { height, width, in_channels, out_channels, stride, padding, .. } = shape;
    let (out_height, out_width) = (shape.out_height(), shape.out_width());
    ConvLayoutLaunch::new(height, width, out_height, out_width, in_channels, out_channels, stride, padding)
}

/// `Ok` for a convolution that has outputs.
fn check(op: &'static str, shape: ConvShape) -> Result<(), ScanError> {
    check_dimensions(
        op,
        &[
            ("batch", shape.batch),
            ("in_channels", shape.in_channels),
            ("out_channels", shape.out_channels),
            ("kernel", shape.kernel),
            ("stride", shape.stride),
            ("out_height", shape.out_height()),
            ("out_width", shape.out_width()),
        ],
    )
}

/// The same for one of few outputs.
fn check_narrow(op: &'static str, shape: ConvShape) -> Result<(), ScanError> {
    check(op, shape)?;
    if shape.out_channels <= NARROW {
        return Ok(());
    }
    let (resource, needed) = ("the number of outputs that these kernels take", shape.out_channels);
    Err(ScanError::DeviceLimit { op, resource, needed, limit: NARROW })
}

fn input_len(shape: ConvShape) -> usize {
    shape.batch * shape.height * shape.width * shape.in_channels
}

fn out_pixels(shape: ConvShape) -> usize {
    shape.batch * shape.out_height() * shape.out_width()
}

fn patch(shape: ConvShape) -> usize {
    shape.kernel * shape.kernel * shape.in_channels
}

/// What the outputs `pixels` of a convolution see, zeros where they reach over the map: `[pixels, kernel, kernel, in_channels]`, f32.
///
/// # Errors
///
/// When the operand is too short, and at a limit of the device.
pub fn conv_patches(client: &Client, shape: ConvShape, x: &Handle, pixels: Range<usize>) -> Result<Handle, ScanError> {
    let op = "conv_patches";
    let elements = pixels.len() * patch(shape);
    check(op, shape)?;
    // A pixel beyond the last output would be one of a map beyond the last.
    let maps = pixels.end.div_ceil(shape.out_height() * shape.out_width()).max(shape.batch);
    let len = input_len(ConvShape { batch: maps, ..shape });
    check_index(op, elements.max(len))?;
    let x = operand(op, "x", INPUT, x, len)?;
    let patches = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and pixels lie on the maps that `x` was checked for.
    unsafe {
        gather_patches::launch_unchecked(
            client,
            count,
            dim,
            x.arg(),
            patches.arg(),
            layout(shape),
            pixels.start,
            elements,
            shape.kernel,
        );
    }
    Ok(patches.into_handle())
}

/// The gradient of the maps `samples`, written into `dx [batch, height, width, in_channels]`, from that of the patches of all their
/// outputs; f32.
///
/// # Errors
///
/// As [`conv_patches`].
pub fn conv_patches_backward(
    client: &Client,
    shape: ConvShape,
    dpatches: &Handle,
    samples: Range<usize>,
    dx: &Handle,
) -> Result<(), ScanError> {
    let op = "conv_patches_backward";
    check(op, shape)?;
    let some = ConvShape { batch: samples.len(), ..shape };
    let patches = out_pixels(some) * patch(shape);
    let until = input_len(ConvShape { batch: samples.end, ..shape });
    check_index(op, patches.max(until))?;
    let dpatches = operand(op, "dpatches", "[pixels, kernel, kernel, in_channels]", dpatches, patches)?;
    let dx = operand(op, "dx", INPUT, dx, until)?;
    let elements = input_len(some);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `conv_patches`.
    unsafe {
        scatter_patches::launch_unchecked(
            client,
            count,
            dim,
            dpatches.arg(),
            dx.arg(),
            layout(shape),
            samples.start,
            elements,
            shape.kernel,
        );
    }
    Ok(())
}

/// A convolution with at most [`NARROW`] outputs: `[batch, out_height, out_width, out_channels]`, f32.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn narrow_conv(
    client: &Client,
    shape: ConvShape,
    x: &Handle,
    weight: &Handle,
    bias: Option<&Handle>,
) -> Result<Handle, ScanError> {
    let op = "narrow_conv";
    check_narrow(op, shape)?;
    let elements = out_pixels(shape) * shape.out_channels;
    check_index(op, elements.max(input_len(shape)))?;
    let x = operand(op, "x", INPUT, x, input_len(shape))?;
    let weight = operand(op, "weight", WEIGHT, weight, patch(shape) * shape.out_channels)?;
    let bias = bias.map(|bias| operand(op, "bias", "[out_channels]", bias, shape.out_channels)).transpose()?;
    let y = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and every buffer holds what was checked; an absent bias is not read.
    unsafe {
        narrow_output::launch_unchecked(
            client,
            count,
            dim,
            x.arg(),
            weight.arg(),
            bias.as_ref().unwrap_or(&x).arg(),
            y.arg(),
            layout(shape),
            elements,
            shape.kernel,
            bias.is_some(),
        );
    }
    Ok(y.into_handle())
}

/// The gradient of the map of [`narrow_conv`] for `dy [batch, out_height, out_width, out_channels]`; f32.
///
/// # Errors
///
/// As [`narrow_conv`].
pub fn narrow_conv_input(client: &Client, shape: ConvShape, weight: &Handle, dy: &Handle) -> Result<Handle, ScanError> {
    let op = "narrow_conv_input";
    check_narrow(op, shape)?;
    let elements = input_len(shape);
    check_index(op, elements.max(out_pixels(shape) * shape.out_channels))?;
    let weight = operand(op, "weight", WEIGHT, weight, patch(shape) * shape.out_channels)?;
    let dy = operand(op, "dy", OUTPUT, dy, out_pixels(shape) * shape.out_channels)?;
    let dx = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `narrow_conv`.
    unsafe {
        narrow_input::launch_unchecked(
            client,
            count,
            dim,
            dy.arg(),
            weight.arg(),
            dx.arg(),
            layout(shape),
            elements,
            shape.kernel,
        );
    }
    Ok(dx.into_handle())
}

/// The gradient of the weight of [`narrow_conv`], `[out_channels, in_channels, kernel, kernel]`; f32.
///
/// # Errors
///
/// As [`narrow_conv`].
pub fn narrow_conv_weight(client: &Client, shape: ConvShape, x: &Handle, dy: &Handle) -> Result<Handle, ScanError> {
    let op = "narrow_conv_weight";
    check_narrow(op, shape)?;
    let pixels = out_pixels(shape);
    let weights = patch(shape) * shape.out_channels;
    check_index(op, input_len(shape).max(pixels * shape.out_channels))?;
    let x = operand(op, "x", INPUT, x, input_len(shape))?;
    let dy = operand(op, "dy", OUTPUT, dy, pixels * shape.out_channels)?;
    let share = Share::of(pixels, patch(shape));
    let parts = Buffer::empty(client, share.parts * weights, F32);
    let cube = dim(op, client)?;
    // SAFETY: cubes reach the pixels and weights that were checked, and the parts that the share has.
    unsafe {
        narrow_weight::launch_unchecked(
            client,
            count(client, share.cubes),
            cube,
            x.arg(),
            dy.arg(),
            parts.arg(),
            layout(shape),
            pixels,
            share.some,
            share.cubes,
            shape.kernel,
            shape.out_channels,
        );
    }
    super::sum::sum_matrices(client, &parts.into_handle(), share.parts, weights)
}
