//! jemalloc, built from source with its functions under names of their own.

use super::Subject;

/// Jemalloc.
#[derive(Debug)]
pub enum Jemalloc {}

// SAFETY: jemalloc documents the C standard's contract of malloc.
unsafe impl Subject for Jemalloc {
    const LEVEL: &'static str = "jemalloc";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        let mut version: *const libc::c_char = std::ptr::null();
        let mut length = size_of_val(&version);
        // SAFETY: the value of this name is a pointer, for which there is room, to a string that
        // lives as long as the process.
        let version = unsafe {
            let place = (&raw mut version).cast();
            let name = c"version".as_ptr();
            let nothing = std::ptr::null_mut();
            match tikv_jemalloc_sys::mallctl(name, place, &raw mut length, nothing, 0) {
                0 => std::ffi::CStr::from_ptr(version).to_string_lossy(),
                _ => "0".into(),
            }
        };
        // What follows the first dash names the revision.
        format!("jemalloc {}", version.split('-').next().unwrap_or_default())
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        // SAFETY: malloc may be called with any size.
        unsafe { tikv_jemalloc_sys::malloc(size) }.cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { tikv_jemalloc_sys::free(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { tikv_jemalloc_sys::realloc(block.cast(), size).cast() }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { tikv_jemalloc_sys::malloc_usable_size(block.cast()) }
    }
}
