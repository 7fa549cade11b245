use std::marker::PhantomData;

/// One output slice that several tasks write at disjoint places.
///
/// Channel-last outputs are cut by columns, which safe sub-slices cannot express.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedSlice<'a> {
    start: *mut f32,
    len: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: every access is unsafe to ask for, and its contract forbids overlapping elements at the same time.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// The spare capacity of a vector, which holds nothing yet.
    pub(crate) fn of_capacity(vector: &'a mut Vec<f32>) -> Self {
        let spare = vector.spare_capacity_mut();
        Self { start: spare.as_mut_ptr().cast(), len: spare.len(), lifetime: PhantomData }
    }

    /// Copies `values` to the elements from `from` on.
    ///
    /// # Safety
    ///
    /// No other task may use any of these elements meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, from: usize, values: &[f32]) {
        assert!(from + values.len() <= self.len, "range {from}..{} of {} elements", from + values.len(), self.len);
        // SAFETY: in bounds by the assertion; nobody else uses the elements, so the source is none of them.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.start.add(from), values.len()) };
    }

    /// The elements `from..from + len`.
    ///
    /// # Safety
    ///
    /// No other task may use an overlapping range while this one lives, and every element of it has been written.
    #[expect(clippy::mut_from_ref, reason = "the caller keeps ranges disjoint")]
    pub(crate) unsafe fn range(&self, from: usize, len: usize) -> &mut [f32] {
        assert!(from + len <= self.len, "range {from}..{} of {} elements", from + len, self.len);
        // SAFETY: in bounds by the assertion, disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }

    /// The elements `from..from + len`, all made zero.
    ///
    /// # Safety
    ///
    /// No other task may use an overlapping range while this one lives.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller keeps ranges disjoint")]
    pub(crate) unsafe fn zeroed(&self, from: usize, len: usize) -> &mut [f32] {
        assert!(from + len <= self.len, "range {from}..{} of {} elements", from + len, self.len);
        // SAFETY: in bounds by the assertion, written here, disjoint by the caller's promise.
        unsafe {
            let start = self.start.add(from);
            start.write_bytes(0, len);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Pointer to an element, for code that writes a block of a matrix.
    pub(crate) fn pointer(&self, at: usize) -> *mut f32 {
        assert!(at < self.len, "element {at} of {}", self.len);
        // SAFETY: in bounds by the assertion.
        unsafe { self.start.add(at) }
    }

    /// Where the elements begin, for a prefetch.
    pub(crate) fn address(&self) -> *const f32 {
        self.start
    }
}
