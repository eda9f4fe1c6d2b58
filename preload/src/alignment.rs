//! Blocks on a multiple of something: posix_memalign, aligned_alloc, memalign, valloc, pvalloc.
//!
//! An alignment that is no power of two is refused with EINVAL, by memalign too: the GNU C library
//! rounds it up there, but documents the refusal.

use core::ffi::{c_int, c_void};

use crate::{errno, refuse, set_errno};

/// posix_memalign(3). Returns the error and leaves `errno` and, on failure, `out` as they were.
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    let before = errno();
    let p = hakmem::aligned_alloc(align, size);
    if p.is_null() {
        set_errno(before);
        return libc::ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(p.cast()) };
    0
}

/// aligned_alloc(3). The size need not be a multiple of the alignment (C17).
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    on_multiple(align, size)
}

/// memalign(3).
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    on_multiple(align, size)
}

/// valloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    on_multiple(page_size(), size)
}

/// pvalloc(3): whole pages, at least one.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    let page = page_size();
    match size.max(1).checked_next_multiple_of(page) {
        Some(bytes) => on_multiple(page, bytes),
        None => refuse(libc::ENOMEM),
    }
}

fn on_multiple(align: usize, size: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        return refuse(libc::EINVAL);
    }
    hakmem::aligned_alloc(align, size).cast()
}

fn page_size() -> usize {
    // SAFETY: sysconf has no precondition.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}
