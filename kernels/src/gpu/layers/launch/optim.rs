use super::{
    rows::{count, dim, operand},
    sum::sum_parts,
};
use crate::{
    definition::ScanError,
    gpu::{
        layers::kernel::{
            AdamWFactorsLaunch, TENSOR_PARTS, adamw_step as adamw_kernel, scale_tensors as scale_kernel,
            sum_squares as squares_kernel,
        },
        resources::{Buffer, F32, FLAT_UNITS, check_bindings, check_index, flat},
    },
};
use cubecl::{client::Client, server::Handle};

/// Tensors that [`sum_squares`] and [`scale_tensors`] take: with two more buffers, as many as every device binds that the scan's backward
/// pass runs on.
pub const TENSORS: usize = 14;

/// The buffers of up to [`TENSORS`] tensors, by their handles and numbers of elements.
fn buffers(op: &'static str, client: &Client, tensors: &[(Handle, usize)]) -> Result<Vec<Buffer>, ScanError> {
    let found = tensors.len();
    assert!((1..=TENSORS).contains(&found), "{found} tensors, but {op} takes 1 to {TENSORS}");
    check_bindings(op, client, TENSORS + 1)?;
    let buffer = |(handle, len): &(Handle, usize)| {
        check_index(op, *len)?;
        operand(op, "tensor", "[elements]", handle, *len)
    };
    tensors.iter().map(buffer).collect()
}

/// Sums of the squares of up to [`TENSORS`] tensors, by their handles and numbers of elements: `[tensors]`, f32.
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
    let buffers = buffers(op, client, tensors)?;
    let (args, lens) = (buffers.iter().map(Buffer::arg), tensors.iter().map(|(_, len)| *len));
    let parts = Buffer::empty(client, TENSOR_PARTS * tensors.len(), F32);
    let cubes = count(client, TENSOR_PARTS * tensors.len());
    let dim = dim(op, client)?;
    // SAFETY: cubes reach the elements of their tensor alone, and the parts of those that there are.
    unsafe {
        squares_kernel::launch_unchecked(client, cubes, dim, args.collect(), lens.collect(), parts.arg());
    }
    sum_parts(op, client, &parts, TENSOR_PARTS, tensors.len())
}

/// Multiplies up to [`TENSORS`] tensors, by their handles and numbers of elements, by `factor`, in their place; f32.
///
/// # Errors
///
/// As [`sum_squares`].
///
/// # Panics
///
/// As [`sum_squares`].
pub fn scale_tensors(client: &Client, tensors: &[(Handle, usize)], factor: f32) -> Result<(), ScanError> {
    let op = "scale_tensors";
    let buffers = buffers(op, client, tensors)?;
    let (args, lens) = (buffers.iter().map(Buffer::arg), tensors.iter().map(|(_, len)| *len));
    let cubes = count(client, TENSOR_PARTS * tensors.len());
    let dim = dim(op, client)?;
    // SAFETY: as in `sum_squares`.
    unsafe {
        scale_kernel::launch_unchecked(client, cubes, dim, args.collect(), lens.collect(), factor);
    }
    Ok(())
}

/// What a step of AdamW is made of, beside its tensors (Loshchilov and Hutter 2019, algorithm 2, the learning rate in the decay).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWFactors {
    /// Decay rate of the first moment.
    pub beta_1: f32,
    /// Decay rate of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the parameter a step, per learning rate.
    pub weight_decay: f32,
    /// The number of the step, from 1 on. In the first, moments are written only.
    pub time: usize,
}

impl AdamWFactors {
    fn launch(self) -> AdamWFactorsLaunch {
        let time = i32::try_from(self.time).unwrap_or(i32::MAX);
        AdamWFactorsLaunch::new(
            self.beta_1,
            self.beta_2,
            1.0 - self.beta_1.powi(time),
            1.0 - self.beta_2.powi(time),
            self.epsilon,
            self.learning_rate as f32,
            (1.0 - self.learning_rate * f64::from(self.weight_decay)) as f32,
        )
    }
}

/// A step of AdamW by the gradient `[elements]`: parameter, first and second moment, `[elements]`, are replaced; f32.
///
/// # Errors
///
/// When an operand is too short, and at a limit of the device.
pub fn adamw_step(
    client: &Client,
    gradient: &Handle,
    [parameter, moment_1, moment_2]: [&Handle; 3],
    elements: usize,
    factors: AdamWFactors,
) -> Result<(), ScanError> {
    let op = "adamw_step";
    check_index(op, elements)?;
    let buffer = |argument, handle| operand(op, argument, "[elements]", handle, elements);
    let gradient = buffer("gradient", gradient)?;
    let parameter = buffer("parameter", parameter)?;
    let (moment_1, moment_2) = (buffer("moment_1", moment_1)?, buffer("moment_2", moment_2)?);
    let (count, dim) = flat(client, elements, FLAT_UNITS);
    // SAFETY: units beyond the last element end at once, and every buffer holds what was checked.
    unsafe {
        adamw_kernel::launch_unchecked(
            client,
            count,
            dim,
            gradient.arg(),
            parameter.arg(),
            moment_1.arg(),
            moment_2.arg(),
            factors.launch(),
            elements,
            factors.time == 1,
        );
    }
    Ok(())
}
