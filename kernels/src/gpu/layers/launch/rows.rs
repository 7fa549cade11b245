use crate::{
    definition::{ScanError, check_dimensions},
    gpu::{
        layers::kernel::{ColumnsLaunch, LANES, SUBS},
        resources::{Buffer, F32, check_index, most_units},
    },
};
use cubecl::{
    client::Client,
    prelude::{CubeCount, CubeDim},
    server::{CubeCountSelection, Handle},
};

/// Cubes that sum over the rows of a matrix, about: enough for every multiprocessor of a large device.
const BUSY_CUBES: usize = 512;
/// Fewest rows that one of them takes.
const FEWEST_ROWS: usize = 32;

/// Rows of a matrix on a device, possibly some columns of a wider one: row-major, f32.
#[derive(Debug, Clone)]
pub struct GpuRows {
    /// The whole matrix.
    pub handle: Handle,
    /// Its rows.
    pub rows: usize,
    /// The columns that are meant.
    pub columns: usize,
    /// Columns of the whole matrix.
    pub pitch: usize,
    /// The first column that is meant.
    pub offset: usize,
}

impl GpuRows {
    /// All columns of a matrix.
    pub fn whole(handle: Handle, rows: usize, columns: usize) -> Self {
        Self { handle, rows, columns, pitch: columns, offset: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.rows * self.columns
    }

    pub(super) fn at(&self) -> ColumnsLaunch {
        ColumnsLaunch::new(self.pitch, self.offset)
    }

    pub(super) fn buffer(&self, op: &'static str, argument: &'static str) -> Result<Buffer, ScanError> {
        check_dimensions(op, &[("rows", self.rows), ("columns", self.columns)])?;
        let fits = self.offset + self.columns <= self.pitch;
        // What would reach over the end of a row is as if the last row were longer.
        let len = self.rows * self.pitch + if fits { 0 } else { self.offset + self.columns - self.pitch };
        // Statistics of a row are two numbers.
        check_index(op, len.max(self.len()).max(2 * self.rows))?;
        Buffer::operand(op, argument, "[rows, pitch]", &self.handle, len, F32)
    }
}

/// A contiguous operand.
pub(super) fn operand(
    op: &'static str,
    argument: &'static str,
    layout: &'static str,
    handle: &Handle,
    len: usize,
) -> Result<Buffer, ScanError> {
    Buffer::operand(op, argument, layout, handle, len, F32)
}

/// `Ok` when the rows of a matrix share out evenly by `by`.
pub(super) fn check_even(op: &'static str, what: &'static str, rows: usize, by: usize) -> Result<(), ScanError> {
    if by > 0 && rows.is_multiple_of(by) {
        return Ok(());
    }
    Err(ScanError::Uneven { op, what, rows, by })
}

/// Units of a cube of [`LANES`] columns and [`SUBS`] rows.
pub(super) fn dim(op: &'static str, client: &Client) -> Result<CubeDim, ScanError> {
    let (needed, limit) = (LANES * SUBS, most_units(client));
    if needed <= limit {
        return Ok(CubeDim::new_1d(needed as u32));
    }
    Err(ScanError::DeviceLimit { op, resource: "the number of units of a cube", needed, limit })
}

/// A grid of `cubes`, each within the device's limit of a dimension; it may hold more.
pub(super) fn count(client: &Client, cubes: usize) -> CubeCount {
    CubeCountSelection::new(client, cubes as u32).cube_count()
}

/// How the rows of a matrix are shared out among cubes that sum over them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// Rows of a cube.
    pub(super) some: usize,
    /// Partial results.
    pub(super) parts: usize,
    /// Cubes that have work.
    pub(super) cubes: usize,
}

impl Share {
    pub(super) fn of(rows: usize, columns: usize) -> Self {
        let tiles = columns.div_ceil(LANES);
        let some = rows.div_ceil((BUSY_CUBES / tiles).max(1)).max(FEWEST_ROWS);
        let parts = rows.div_ceil(some);
        Self { some, parts, cubes: parts * tiles }
    }
}
