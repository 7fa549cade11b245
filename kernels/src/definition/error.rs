/// A scan, or a layer on a GPU, was asked for with arguments that do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A slice does not hold as many elements as the shape says.
    #[error("{op}: `{argument}` must hold {expected} elements ({layout}), got {actual}")]
    Length {
        /// The operation that was called.
        op: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// Its layout in words, for instance `[batch, groups * channels, length]`.
        layout: &'static str,
        /// Elements that the shape asks for.
        expected: usize,
        /// Elements that came.
        actual: usize,
    },
    /// A dimension of the shape is zero.
    #[error("{op}: `{dimension}` must be at least 1, got 0")]
    Empty {
        /// The operation that was called.
        op: &'static str,
        /// The dimension at fault.
        dimension: &'static str,
    },
    /// Rows of a matrix that do not share out evenly.
    #[error("{op}: {rows} rows do not share out evenly by {what} of {by}")]
    Uneven {
        /// The operation that was called.
        op: &'static str,
        /// What they are shared out by.
        what: &'static str,
        /// The rows.
        rows: usize,
        /// What does not divide them.
        by: usize,
    },
    /// The device cannot run a kernel of this size.
    #[error("{op}: {resource} must be at least {needed} on this device, it is {limit}")]
    DeviceLimit {
        /// The operation that was called.
        op: &'static str,
        /// What the device has too little of.
        resource: &'static str,
        /// How much the kernel needs.
        needed: usize,
        /// How much there is.
        limit: usize,
    },
    /// The kernels do not take this element type.
    #[error("{op}: elements must be f32, f16 or bf16, got {actual}")]
    Element {
        /// The operation that was called.
        op: &'static str,
        /// The element type that came.
        actual: String,
    },
}

/// `Ok` when `actual` elements came for an argument of `expected`.
pub(crate) fn check_length(
    op: &'static str,
    argument: &'static str,
    layout: &'static str,
    expected: usize,
    actual: usize,
) -> Result<(), ScanError> {
    if expected == actual {
        return Ok(());
    }
    Err(ScanError::Length { op, argument, layout, expected, actual })
}

/// `Ok` when no dimension is zero.
pub(crate) fn check_dimensions(op: &'static str, dimensions: &[(&'static str, usize)]) -> Result<(), ScanError> {
    match dimensions.iter().find(|(_, size)| *size == 0) {
        Some(&(dimension, _)) => Err(ScanError::Empty { op, dimension }),
        None => Ok(()),
    }
}
