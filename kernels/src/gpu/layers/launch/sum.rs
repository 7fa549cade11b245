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
    let op = "sum_rows";
    let values = x.buffer(op, "x")?;
    let share = Share::of(x.rows, x.columns);
    let parts = Buffer::empty(client, share.parts * x.columns, F32);
    let dim = dim(op, client)?;
    // SAFETY: cubes reach the rows and columns that `x` was checked for, and the parts that the share has.
    unsafe {
        sum_some_rows::launch_unchecked(
            client,
            count(client, share.cubes),
            dim,
            values.arg(),
            parts.arg(),
            x.at(),
            x.rows,
            x.columns,
            share.some,
            share.cubes,
        );
    }
    partials(op, client, &parts, share.parts, x.columns).map(Buffer::into_handle)
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
    partials(op, client, &matrices, count, elements).map(Buffer::into_handle)
}

/// The sum of partial results.
fn partials(
    op: &'static str,
    client: &Client,
    parts: &Buffer,
    parts_count: usize,
    elements: usize,
) -> Result<Buffer, ScanError> {
    let out = Buffer::empty(client, elements, F32);
    launch(op, client, parts, [&out, &out], parts_count, elements, None)?;
    Ok(out)
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
    launch(op, client, parts, results.each_ref(), parts_count, first + second, Some(first))?;
    Ok(results)
}

fn launch(
    op: &'static str,
    client: &Client,
    parts: &Buffer,
    [first, second]: [&Buffer; 2],
    parts_count: usize,
    elements: usize,
    split: Option<usize>,
) -> Result<(), ScanError> {
    let dim = dim(op, client)?;
    // Where there is one result only, nothing is written to the other binding; it takes memory of its own.
    let unused = split.is_none().then(|| Buffer::unused(client));
    // SAFETY: cubes reach the elements alone, and the results hold them between them.
    unsafe {
        sum_partials::launch_unchecked(
            client,
            count(client, elements.div_ceil(LANES)),
            dim,
            parts.arg(),
            first.arg(),
            unused.as_ref().unwrap_or(second).arg(),
            parts_count,
            elements,
            split.unwrap_or(elements),
            split.is_some(),
        );
    }
    Ok(())
}
