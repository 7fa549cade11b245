use crate::cpu::shared::SharedSlice;

/// Rows of a matrix: a contiguous one, or some neighbouring columns of a wider one.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    /// All of `[rows, columns]`.
    ///
    /// # Panics
    ///
    /// When `values` is no whole number of rows.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        assert!(columns > 0 && values.len().is_multiple_of(columns), "{} values in rows of {columns}", values.len());
        Self { values, columns, stride: columns }
    }

    /// The columns `from..from + columns` of `[rows, width]`.
    ///
    /// # Panics
    ///
    /// When `values` is no whole number of rows or has no such columns.
    pub fn columns_of(values: &'a [f32], width: usize, from: usize, columns: usize) -> Self {
        assert!(columns > 0 && from + columns <= width, "columns {from}..{} of {width}", from + columns);
        assert!(values.len().is_multiple_of(width), "{} values in rows of {width}", values.len());
        Self { values: &values[from.min(values.len())..], columns, stride: width }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().div_ceil(self.stride)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Distance of two neighbouring rows.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// One row.
    #[inline(always)]
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..self.columns]
    }

    /// From the first value of the first row to the end of the matrix.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }
}

/// Rows of a matrix to write, from several tasks at once.
#[derive(Debug)]
pub struct RowsMut<'a> {
    values: SharedSlice<'a>,
    from: usize,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> RowsMut<'a> {
    /// All of `[rows, columns]`.
    ///
    /// # Panics
    ///
    /// When `values` is no whole number of rows.
    pub fn new(values: &'a mut [f32], columns: usize) -> Self {
        Self::columns_of(values, columns, 0, columns)
    }

    /// The columns `from..from + columns` of `[rows, width]`.
    ///
    /// # Panics
    ///
    /// When `values` is no whole number of rows or has no such columns.
    pub fn columns_of(values: &'a mut [f32], width: usize, from: usize, columns: usize) -> Self {
        assert!(columns > 0 && from + columns <= width, "columns {from}..{} of {width}", from + columns);
        assert!(values.len().is_multiple_of(width), "{} values in rows of {width}", values.len());
        let rows = values.len() / width;
        Self { values: SharedSlice::new(values), from, rows, columns, stride: width }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Values of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// One row.
    ///
    /// # Safety
    ///
    /// No other task may use the same row while this one lives.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller keeps rows disjoint")]
    pub(crate) unsafe fn row(&self, index: usize) -> &mut [f32] {
        // SAFETY: all is of a slice, rows do not overlap, and the caller takes each only once at a time.
        unsafe { self.values.range(index * self.stride + self.from, self.columns) }
    }
}
