//! Memory of large arrays, and memory that begins at a cache line.

use pulp::bytemuck::{self, Pod, Zeroable};
use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

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

/// A value that begins at a cache line.
///
/// Registers are declared with the alignment of one float, and a load or store that crosses a line costs two: on scratch that
/// is walked over and over that is half of the speed.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Aligned<T>(pub(crate) T);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

// SAFETY: sixteen floats without padding; zeros are floats.
unsafe impl Zeroable for Line {}
// SAFETY: as above.
unsafe impl Pod for Line {}

/// A vector of registers that begins at a cache line.
pub(crate) struct Lines<R> {
    values: Vec<Line>,
    len: usize,
    register: PhantomData<R>,
}

impl<R: Pod> Lines<R> {
    /// `len` registers of zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let values = vec![Line::zeroed(); (len * size_of::<R>()).div_ceil(size_of::<Line>())];
        Self { values, len, register: PhantomData }
    }
}

impl<R: Pod> Deref for Lines<R> {
    type Target = [R];

    #[inline(always)]
    fn deref(&self) -> &[R] {
        &bytemuck::cast_slice(&self.values)[..self.len]
    }
}

impl<R: Pod> DerefMut for Lines<R> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [R] {
        &mut bytemuck::cast_slice_mut(&mut self.values)[..self.len]
    }
}
