use super::rows::{GpuRows, Share, count, dim, operand};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{LANES, sum_partials, sum_some_rows},
        resources::{Buffer, F32, check_index},
    },
};
use cubecl::{client::Client, server::Handle};

/// Sum of the rows: `[columns]`, f32.
///
/// # Errors
///
/// When the operand is too short, and at a limit of the device.
pub fn sum_rows(client: &Client, x: &GpuRows) -> Result<Handle, ScanError> {
    let sums = Buffer::empty(client, x.columns, F32);
    sum_over_rows("sum_rows", client, x, None, &sums, 0, 1.0)?;
    Ok(sums.into_handle())
}

/// Writes `factor` times the sums of the columns into `out` from `offset` on; of the squares of their differences to `mean`, where there is
/// one.
pub(super) fn sum_over_rows(
    op: &'static str,
    client: &Client,
    x: &GpuRows,
    mean: Option<&Buffer>,
    out: &Buffer,
    offset: usize,
    factor: f32,
) -> Result<(), ScanError> {
    let values = x.buffer(op, "x")?;
    let share = Share::of(x.rows, x.columns);
    let parts = Buffer::empty(client, share.parts * x.columns, F32);
    let dim = dim(op, client)?;
    // SAFETY: cubes reach the rows and columns that `x` was checked for, and the parts that the share has; a mean that is absent is not
    // read.
    unsafe {
        sum_some_rows::launch_unchecked(
            client,
            count(client, share.cubes),
            dim,
            values.arg(),
            mean.unwrap_or(&values).arg(),
            parts.arg(),
            x.at(),
            x.rows,
            x.columns,
            share.some,
            share.cubes,
            mean.is_some(),
        );
    }
    let target = Target { first: out, second: None, split: x.columns, offset, factor };
    launch(op, client, &parts, &target, share.parts, x.columns)
}

/// Sum of `count` matrices of `elements` each that lie one after the other: `[elements]`, f32.
///
/// # Errors
///
/// When the operand is too short, and at a limit of the device.
pub fn sum_matrices(client: &Client, matrices: &Handle, count: usize, elements: usize) -> Result<Handle, ScanError> {
    let op = "sum_matrices";
    check_index(op, count * elements)?;
    let matrices = operand(op, "matrices", "[count, elements]", matrices, count * elements)?;
    sum_parts(op, client, &matrices, count, elements)
}

/// Adds `parts_count` partial results of `elements` each, in order: `[elements]`.
pub(super) fn sum_parts(
    op: &'static str,
    client: &Client,
    parts: &Buffer,
    parts_count: usize,
    elements: usize,
) -> Result<Handle, ScanError> {
    let out = Buffer::empty(client, elements, F32);
    let target = Target { first: &out, second: None, split: elements, offset: 0, factor: 1.0 };
    launch(op, client, parts, &target, parts_count, elements)?;
    Ok(out.into_handle())
}

/// The sum of partial results of `first + second` elements, as two results.
pub(super) fn partials_of_two(
    op: &'static str,
    client: &Client,
    parts: &Buffer,
    parts_count: usize,
    [first, second]: [usize; 2],
) -> Result<[Buffer; 2], ScanError> {
    let results = [first, second].map(|len| Buffer::empty(client, len, F32));
    let target = Target { first: &results[0], second: Some(&results[1]), split: first, offset: 0, factor: 1.0 };
    launch(op, client, parts, &target, parts_count, first + second)?;
    Ok(results)
}

/// Where sums of partial results go.
struct Target<'a> {
    first: &'a Buffer,
    second: Option<&'a Buffer>,
    /// Elements of the first result.
    split: usize,
    /// Where they start in its buffer.
    offset: usize,
    /// What sums are multiplied by.
    factor: f32,
}

fn launch(
    op: &'static str,
    client: &Client,
    parts: &Buffer,
    target: &Target<'_>,
    parts_count: usize,
    elements: usize,
) -> Result<(), ScanError> {
    let dim = dim(op, client)?;
    // Where there is one result only, nothing is written to the other binding; it takes memory of its own.
    let unused = target.second.is_none().then(|| Buffer::unused(client));
    let second = target.second.or(unused.as_ref()).expect("one of both");
    // SAFETY: cubes reach the elements alone, and the results hold them between them.
    unsafe {
        sum_partials::launch_unchecked(
            client,
            count(client, elements.div_ceil(LANES)),
            dim,
            parts.arg(),
            target.first.arg(),
            second.arg(),
            parts_count,
            elements,
            target.split,
            target.offset,
            target.factor,
            target.second.is_some(),
        );
    }
    Ok(())
}
