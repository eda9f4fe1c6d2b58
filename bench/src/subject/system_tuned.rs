//! The C library's malloc with the tunables that suit these workloads (glibc).
//!
//! What the process gives back and maps one by one is bounded so high that it hardly does either,
//! and its thread caches keep as many blocks as they can. The tunables are read before `main`, so
//! the worker has to be started with them: see [`Subject::ENVIRONMENT`].

use super::{Subject, System};

/// glibc with tunables.
#[derive(Debug)]
pub enum SystemTuned {}

// SAFETY: the C standard's contract of malloc.
unsafe impl Subject for SystemTuned {
    const LEVEL: &'static str = "system-tuned";
    const FREES_FOREIGN: bool = true;
    const ENVIRONMENT: &'static [(&'static str, &'static str)] = &[(
        "GLIBC_TUNABLES",
        "glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864:\
         glibc.malloc.mmap_threshold=33554432:glibc.malloc.tcache_count=127",
    )];

    fn name() -> String {
        format!("{}, tuned", System::name())
    }

    #[inline(always)]
    fn malloc(size: usize) -> *mut u8 {
        System::malloc(size)
    }

    #[inline(always)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: as the caller vouches.
        unsafe { System::free(block) };
    }

    #[inline(always)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as the caller vouches.
        unsafe { System::realloc(block, size) }
    }

    #[inline(always)]
    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { System::usable_size(block) }
    }
}
