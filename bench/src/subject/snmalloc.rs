//! snmalloc, built from source, through the functions of C that it offers under its own names.

use super::Subject;

/// Snmalloc.
#[derive(Debug)]
pub enum Snmalloc {}

// SAFETY: snmalloc documents the C standard's contract of malloc.
unsafe impl Subject for Snmalloc {
    const LEVEL: &'static str = "snmalloc";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        // The crate says no version; crate and library have the same.
        "snmalloc 0.7.6".to_owned()
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: malloc may be called with any size.
        unsafe { snmalloc_sys::sn_malloc(size) }.cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { snmalloc_sys::sn_free(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { snmalloc_sys::sn_realloc(block.cast(), size).cast() }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { snmalloc_sys::sn_malloc_usable_size(block.cast()) }
    }
}
