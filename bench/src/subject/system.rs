//! The C library's malloc, as this machine's loader provides it.

use super::Subject;

/// The C library's allocator.
#[derive(Debug)]
pub enum System {}

// SAFETY: the C standard's contract of malloc.
unsafe impl Subject for System {
    const LEVEL: &'static str = "system";
    const FREES_FOREIGN: bool = true;

    #[cfg(target_env = "gnu")]
    fn name() -> String {
        // SAFETY: the function returns a string that lives as long as the process.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        format!("glibc {}", version.to_string_lossy())
    }

    #[cfg(not(target_env = "gnu"))]
    fn name() -> String {
        format!("libc of {} {}", std::env::consts::OS, usize::BITS)
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: malloc may be called with any size.
        unsafe { libc::malloc(size) }.cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { libc::free(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { libc::realloc(block.cast(), size) }.cast()
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block; the C library does not write through it.
        unsafe { libc::malloc_usable_size(block.cast_mut().cast()) }
    }
}
