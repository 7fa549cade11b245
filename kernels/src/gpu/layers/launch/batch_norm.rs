use super::{
    activation::place_rows,
    norm::{GpuAffine, NormGradients},
    rows::{GpuRows, Share, count, dim, operand},
    sum::{partials_of_two, sum_over_rows},
};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{batch_columns, batch_rows, batch_slopes},
        resources::{Buffer, F32, FLAT_UNITS, check_bindings, check_index, flat},
    },
};
use cubecl::{client::Client, server::Handle};

/// Buffers of the largest kernel.
const BINDINGS: usize = 10;

const MATRIX: &str = "[rows, columns]";
const COLUMNS: &str = "[columns]";

/// Mean and biased variance of every column, `[2, columns]`, f32.
///
/// # Errors
///
/// When the operand is too short, and at a limit of the device.
pub fn batch_statistics(client: &Client, x: &GpuRows) -> Result<Handle, ScanError> {
    let op = "batch_statistics";
    let share = 1.0 / x.rows as f32;
    let mean = Buffer::empty(client, x.columns, F32);
    sum_over_rows(op, client, x, None, &mean, 0, share)?;
    // Squares of differences, in a second pass: the square of a mean that is far from zero would swallow the variance.
    let both = Buffer::empty(client, 2 * x.columns, F32);
    sum_over_rows(op, client, x, Some(&mean), &both, x.columns, share)?;
    let both = both.into_handle();
    place_rows(client, [1, x.columns], &mean.into_handle(), None, &both, 0)?;
    Ok(both)
}

/// The operands of a call.
struct BatchNorm {
    x: Buffer,
    mean: Buffer,
    variance: Buffer,
    scale: Buffer,
    shift: Buffer,
}

impl BatchNorm {
    fn new(
        op: &'static str,
        [rows, columns]: [usize; 2],
        x: &Handle,
        [mean, variance]: [&Handle; 2],
        affine: &GpuAffine,
    ) -> Result<Self, ScanError> {
        check_index(op, rows * columns)?;
        Ok(Self {
            x: operand(op, "x", MATRIX, x, rows * columns)?,
            mean: operand(op, "mean", COLUMNS, mean, columns)?,
            variance: operand(op, "variance", COLUMNS, variance, columns)?,
            scale: operand(op, "scale", COLUMNS, &affine.scale, columns)?,
            shift: operand(op, "shift", COLUMNS, &affine.shift, columns)?,
        })
    }
}

/// `(x - mean) / √(variance + ε) · scale + shift` with columns as channels (Ioffe and Szegedy 2015), then `ReLU`: `[rows, columns]`, f32.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn batch_norm_relu(
    client: &Client,
    shape: [usize; 2],
    x: &Handle,
    statistics: [&Handle; 2],
    affine: &GpuAffine,
) -> Result<Handle, ScanError> {
    let norm = BatchNorm::new("batch_norm_relu", shape, x, statistics, affine)?;
    let [rows, columns] = shape;
    let elements = rows * columns;
    let y = Buffer::empty(client, elements, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and every buffer holds what was checked.
    unsafe {
        batch_rows::launch_unchecked(
            client,
            count,
            dim,
            norm.x.arg(),
            norm.mean.arg(),
            norm.variance.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            y.arg(),
            elements,
            columns,
            affine.epsilon,
        );
    }
    Ok(y.into_handle())
}

/// Gradients of [`batch_norm_relu`] for `dy [rows, columns]` where the statistics are those of `x` itself, in training.
///
/// # Errors
///
/// As [`batch_norm_relu`].
pub fn batch_norm_relu_backward(
    client: &Client,
    shape: [usize; 2],
    x: &Handle,
    statistics: [&Handle; 2],
    affine: &GpuAffine,
    dy: &Handle,
) -> Result<NormGradients, ScanError> {
    let op = "batch_norm_relu_backward";
    check_bindings(op, client, BINDINGS)?;
    let norm = BatchNorm::new(op, shape, x, statistics, affine)?;
    let [rows, columns] = shape;
    let elements = rows * columns;
    let dy = operand(op, "dy", MATRIX, dy, elements)?;
    let share = Share::of(rows, columns);
    let parts = Buffer::empty(client, share.parts * 2 * columns, F32);
    let cube = dim(op, client)?;
    // SAFETY: cubes reach the rows and columns that were checked, and the parts that the share has.
    unsafe {
        batch_columns::launch_unchecked(
            client,
            count(client, share.cubes),
            cube,
            norm.x.arg(),
            norm.mean.arg(),
            norm.variance.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            dy.arg(),
            parts.arg(),
            rows,
            columns,
            share.some,
            share.cubes,
            affine.epsilon,
        );
    }
    let [products, sums] = partials_of_two(op, client, &parts, share.parts, [columns; 2])?;
    let dx = Buffer::empty(client, elements, F32);
    let dscale = Buffer::empty(client, columns, F32);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: as in `batch_norm_relu`.
    unsafe {
        batch_slopes::launch_unchecked(
            client,
            count,
            dim,
            norm.x.arg(),
            norm.mean.arg(),
            norm.variance.arg(),
            norm.scale.arg(),
            norm.shift.arg(),
            dy.arg(),
            products.arg(),
            sums.arg(),
            dx.arg(),
            dscale.arg(),
            elements,
            columns,
            affine.epsilon,
        );
    }
    Ok(NormGradients { x: dx.into_handle(), scale: dscale.into_handle(), shift: sums.into_handle() })
}
