//! rpmalloc, built from source without its override of malloc and free. It brings a
//! `pthread_create` of its own, which gives each thread its heap before the thread runs.

use super::Subject;

/// Rpmalloc.
#[derive(Debug)]
pub enum Rpmalloc {}

// SAFETY: rpmalloc documents the C standard's contract of malloc.
unsafe impl Subject for Rpmalloc {
    const LEVEL: &'static str = "rpmalloc";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        // The library says no version; this is the last one in the change log of its source.
        "rpmalloc 1.4.3".to_owned()
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: rpmalloc may be called with any size; every thread has a heap.
        unsafe { rpmalloc_sys::rpmalloc(size) }.cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { rpmalloc_sys::rpfree(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { rpmalloc_sys::rprealloc(block.cast(), size).cast() }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { rpmalloc_sys::rpmalloc_usable_size(block.cast_mut().cast()) }
    }
}
