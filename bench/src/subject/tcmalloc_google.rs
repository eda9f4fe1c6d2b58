//! Google's tcmalloc, built from source without its override of malloc and of `operator new`.
//!
//! Its caches are the processor's rather than the thread's, for which it registers restartable
//! sequences with the kernel, once a thread. The C library has done so first, and there can't be
//! two: as tcmalloc's documentation asks, the process is started with that turned off. Without the
//! kernel's help tcmalloc falls back to caches of threads, which would be another allocator under
//! the same name, so [`Subject::ready`] refuses that.

use std::ffi::c_void;

// The crate declares only what Rust's `GlobalAlloc` needs; its library has them all.
use libtcmalloc_sys as _;

use super::Subject;

// SAFETY: the functions' types are those of the library's source.
unsafe extern "C" {
    safe fn TCMallocInternalMalloc(size: usize) -> *mut c_void;
    fn TCMallocInternalFree(block: *mut c_void);
    fn TCMallocInternalRealloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn TCMallocInternalMallocSize(block: *mut c_void) -> usize;
    safe fn MallocExtension_Internal_GetPerCpuCachesActive() -> bool;
}

/// tcmalloc of Google.
#[derive(Debug)]
pub enum TcmallocGoogle {}

impl TcmallocGoogle {
    /// tcmalloc has no versions; the crate's says which of its revisions this is.
    pub(super) const CRATE: (&str, &str) = ("libtcmalloc-sys", "0.1.14");
}

// SAFETY: tcmalloc documents the C standard's contract of malloc.
unsafe impl Subject for TcmallocGoogle {
    const LEVEL: &'static str = "tcmalloc-google";
    const FREES_FOREIGN: bool = false;
    const ENVIRONMENT: &'static [(&'static str, &'static str)] =
        &[("GLIBC_TUNABLES", "glibc.pthread.rseq=0")];

    fn name() -> String {
        let (name, version) = Self::CRATE;
        format!("Google tcmalloc, {name} {version}")
    }

    fn ready() -> Result<(), String> {
        // Which caches they are is decided by the first block.
        let block = Self::malloc(1);
        // SAFETY: the block, or null, is freed once.
        unsafe { Self::free(block) };
        if MallocExtension_Internal_GetPerCpuCachesActive() {
            return Ok(());
        }
        Err("per-CPU caches are off: the kernel refuses restartable sequences (rseq); \
             Linux has them since 4.18"
            .to_owned())
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        TCMallocInternalMalloc(size).cast()
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        unsafe { TCMallocInternalFree(block.cast()) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        unsafe { TCMallocInternalRealloc(block.cast(), size).cast() }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block; the library does not write through it.
        unsafe { TCMallocInternalMallocSize(block.cast_mut().cast()) }
    }
}
