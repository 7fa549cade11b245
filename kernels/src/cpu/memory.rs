//! Memory of large arrays.

/// Bytes from which an array asks for large pages.
const LARGE: usize = 2 << 20;

/// An empty vector with room for `len` values, on large pages where the array is large.
pub(crate) fn room(len: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    ask_for_large_pages(values.as_mut_ptr(), len);
    values
}

/// `len` zeros, on large pages where the array is large.
pub(crate) fn zeros(len: usize) -> Vec<f32> {
    // Large arrays of zeros come untouched from the system, so the advice is in time.
    let mut values = vec![0.0; len];
    ask_for_large_pages(values.as_mut_ptr(), len);
    values
}

/// Asks Linux for pages of 2 MiB.
///
/// A walk down the columns of a wide map touches a new page of 4 KiB every step: on a 1024² image more than half of its time
/// went into page tables. Everywhere else, large pages save faults.
pub(crate) fn ask_for_large_pages(start: *mut f32, len: usize) {
    #[cfg(target_os = "linux")]
    if len * size_of::<f32>() >= LARGE {
        const PAGE: usize = 4096;
        let first = (start as usize).next_multiple_of(PAGE);
        let bytes = (start as usize + len * size_of::<f32>()).saturating_sub(first) / PAGE * PAGE;
        // SAFETY: whole pages inside one allocation; the advice changes no content, and an error means that there are only
        // small pages.
        unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(first), bytes, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, len, LARGE);
}
