//! The allocator of this repository, called directly and not through `GlobalAlloc`.

use super::Subject;

/// hakmem, with the strategies it was compiled with.
#[derive(Debug)]
pub enum Hakmem {}

// SAFETY: hakmem's malloc hands out each block once and keeps it until it is freed.
unsafe impl Subject for Hakmem {
    const LEVEL: &'static str = "hakmem";
    const FREES_FOREIGN: bool = true;

    fn name() -> String {
        // One version for the whole workspace.
        format!("hakmem {}", env!("CARGO_PKG_VERSION"))
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        ::hakmem::malloc(size)
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { ::hakmem::free(block) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { ::hakmem::realloc(block, size) }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { ::hakmem::usable_size(block) }
    }

    fn counters() -> Vec<(&'static str, u64)> {
        ::hakmem::counters().collect()
    }
}
