use super::rows::{GpuRows, Share, count, dim, operand};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{
            LANES, SQUARE_PARTS, TENSORS, sum_partials, sum_some_rows, sum_squares as sum_squares_kernel,
        },
        resources::{Buffer, F32, check_bindings, check_index},
    },
};
use cubecl::{client::Client, server::Handle};

/// Tensors that [`sum_squares`] takes: with two more buffers, as many as every device binds that the scan's backward pass runs on.
pub const SQUARES: usize = TENSORS;

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
    let out = Buffer::empty(client, elements, F32);
    let target = Target { first: &out, second: None, split: elements, offset: 0, factor: 1.0 };
    launch(op, client, &matrices, &target, count, elements)?;
    Ok(out.into_handle())
}

/// Sums of the squares of up to [`SQUARES`] tensors, by their buffers and numbers of elements: `[tensors]`, f32.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
///
/// # Panics
///
/// When there are none, or more.
pub fn sum_squares(client: &Client, tensors: &[(Handle, usize)]) -> Result<Handle, ScanError> {
    let op = "sum_squares";
    let found = tensors.len();
    assert!((1..=TENSORS).contains(&found), "{found} tensors, but {op} takes 1 to {TENSORS}");
    check_bindings(op, client, TENSORS + 1)?;
    let mut tensors = tensors
        .iter()
        .map(|(handle, len)| {
            check_index(op, *len)?;
            Ok((operand(op, "tensor", "[elements]", handle, *len)?, *len))
        })
        .collect::<Result<Vec<_>, ScanError>>()?;
    // An absent one is bound to the first and not read.
    let first = tensors[0].0.clone();
    tensors.resize_with(TENSORS, || (first.clone(), 0));
    let parts = Buffer::empty(client, SQUARE_PARTS * found, F32);
    let dim = dim(op, client)?;
    // SAFETY: cubes reach the elements of their tensor alone, and the parts of those that there are.
    unsafe {
        sum_squares_kernel::launch_unchecked(
            client,
            count(client, SQUARE_PARTS * found),
            dim,
            tensors[0].0.arg(),
            tensors[0].1,
            tensors[1].0.arg(),
            tensors[1].1,
            tensors[2].0.arg(),
            tensors[2].1,
            tensors[3].0.arg(),
            tensors[3].1,
            tensors[4].0.arg(),
            tensors[4].1,
            tensors[5].0.arg(),
            tensors[5].1,
            tensors[6].0.arg(),
            tensors[6].1,
            tensors[7].0.arg(),
            tensors[7].1,
            tensors[8].0.arg(),
            tensors[8].1,
            tensors[9].0.arg(),
            tensors[9].1,
            tensors[10].0.arg(),
            tensors[10].1,
            tensors[11].0.arg(),
            tensors[11].1,
            tensors[12].0.arg(),
            tensors[12].1,
            tensors[13].0.arg(),
            tensors[13].1,
            parts.arg(),
            found,
        );
    }
    let sums = Buffer::empty(client, found, F32);
    let target = Target { first: &sums, second: None, split: found, offset: 0, factor: 1.0 };
    launch(op, client, &parts, &target, SQUARE_PARTS, found)?;
    Ok(sums.into_handle())
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
