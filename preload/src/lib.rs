//! libhakmem.so: the C allocation functions on hakmem, for `LD_PRELOAD`.
//!
//! Each function checks its arguments as its manual page says, calls hakmem, and sets `errno` when
//! there is no memory. Pointers of the C library (made before this library was loaded, or by the
//! loader) go back to it. The library holds no state.

use core::ffi::{c_int, c_void};
use core::ptr;

/// `p`, or null with `errno` = ENOMEM.
fn or_no_memory(p: *mut u8) -> *mut c_void {
    if p.is_null() {
        // SAFETY: errno of this thread.
        unsafe { *libc::__errno_location() = libc::ENOMEM };
    }
    p.cast()
}

fn page_size() -> usize {
    // SAFETY: sysconf has no precondition.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// malloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    or_no_memory(hakmem::malloc(size))
}

/// calloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    or_no_memory(count.checked_mul(size).map_or(ptr::null_mut(), hakmem::zeroed))
}

/// free(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(p: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { hakmem::free(p.cast()) };
}

/// cfree(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cfree(p: *mut c_void) {
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
    unsafe {
        if size == 0 && !p.is_null() {
            hakmem::free(p.cast());
            return ptr::null_mut();
        }
        or_no_memory(hakmem::realloc(p.cast(), size))
    }
}

/// reallocarray(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise.
        Some(bytes) => unsafe { realloc(p, bytes) },
        None => or_no_memory(ptr::null_mut()),
    }
}

/// posix_memalign(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<*mut c_void>()) {
        return libc::EINVAL;
    }
    let p = hakmem::aligned_alloc(align, size);
    if p.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller's promise.
    unsafe { out.write(p.cast()) };
    0
}

/// aligned_alloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        // SAFETY: errno of this thread.
        unsafe { *libc::__errno_location() = libc::EINVAL };
        return ptr::null_mut();
    }
    or_no_memory(hakmem::aligned_alloc(align, size))
}

/// memalign(3).
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    aligned_alloc(align, size)
}

/// valloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    or_no_memory(hakmem::aligned_alloc(page_size(), size))
}

/// pvalloc(3).
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    let page = page_size();
    let rounded = size.max(1).checked_next_multiple_of(page);
    or_no_memory(rounded.map_or(ptr::null_mut(), |bytes| hakmem::aligned_alloc(page, bytes)))
}

/// malloc_usable_size(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(p: *mut c_void) -> usize {
    // SAFETY: the caller's promise.
    unsafe { hakmem::usable_size(p.cast()) }
}

/// malloc_trim(3). What it could give back is not counted: it always says that it did.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_keep: usize) -> c_int {
    hakmem::trim();
    1
}
