//! rusty_alloc, an allocator in Rust after mimalloc 2.

use super::Subject;

/// Rusty.
#[derive(Debug)]
pub enum Rusty {}

// SAFETY: rusty_alloc documents mimalloc's contract, which is the C standard's.
unsafe impl Subject for Rusty {
    const LEVEL: &'static str = "rusty";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        format!("rusty_alloc {}", rusty_alloc::VERSION)
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        rusty_alloc::alloc::malloc(size)
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { rusty_alloc::alloc::free(block) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { rusty_alloc::alloc::realloc(block, size) }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { rusty_alloc::alloc::usable_size(block) }
    }
}
