//! mimalloc, built from source without its override of the C library's functions.

use super::Subject;

/// mimalloc.
#[derive(Debug)]
pub enum Mimalloc {}

// SAFETY: mimalloc documents malloc's contract for mi_malloc.
unsafe impl Subject for Mimalloc {
    const LEVEL: &'static str = super::MIMALLOC;
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        // SAFETY: the function only returns a constant.
        let version = unsafe { libmimalloc_sys::mi_version() };
        // One digit of major, two of minor, two of patch.
        format!("mimalloc {}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: mi_malloc may be called with any size.
        unsafe { libmimalloc_sys::mi_malloc(size) }.cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { libmimalloc_sys::mi_free(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { libmimalloc_sys::mi_realloc(block.cast(), size) }.cast()
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { libmimalloc_sys::mi_usable_size(block.cast()) }
    }
}
