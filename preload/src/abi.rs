//! malloc and its kin: malloc, calloc, realloc, reallocarray, free, cfree, free_sized,
//! free_aligned_sized.
//!
//! Sizes above `PTRDIFF_MAX` are refused by hakmem, because no range is that long; products that
//! overflow are refused here.

use core::ffi::c_void;
use core::ptr;

use crate::refuse;

/// malloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    hakmem::malloc(size).cast()
}

/// calloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        Some(bytes) => hakmem::zeroed(bytes).cast(),
        None => refuse(libc::ENOMEM),
    }
}

/// free(3). Leaves `errno` as it was.
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(p: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { hakmem::free(p.cast()) };
}

/// cfree(3), which is `free` of old.
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cfree(p: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { hakmem::free(p.cast()) };
}

/// C23's `free_sized` (ISO/IEC 9899:2024, 7.24.3.4). The size is not needed.
///
/// # Safety
/// `p` is null or an allocated block of that size that nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_sized(p: *mut c_void, _size: usize) {
    // SAFETY: the caller's promise.
    unsafe { hakmem::free(p.cast()) };
}

/// C23's `free_aligned_sized` (ISO/IEC 9899:2024, 7.24.3.5). Alignment and size are not needed.
///
/// # Safety
/// As [`free_sized`], of a block that `aligned_alloc` made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(p: *mut c_void, _align: usize, _size: usize) {
    // SAFETY: the caller's promise.
    unsafe { hakmem::free(p.cast()) };
}

/// realloc(3). A size of 0 frees the block and returns null, as the GNU C library does.
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(p: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { resize(p, size) }
}

/// reallocarray(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { resize(p, bytes) },
        None => refuse(libc::ENOMEM),
    }
}

unsafe fn resize(p: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe {
        if size == 0 && !p.is_null() {
            hakmem::free(p.cast());
            return ptr::null_mut();
        }
        hakmem::realloc(p.cast(), size).cast()
    }
}
