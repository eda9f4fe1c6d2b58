//! libhakmem.so: the C and C++ allocation functions on hakmem, for `LD_PRELOAD`.
//!
//! Each function checks its arguments as its manual page says and calls hakmem, which sets `errno`
//! when there is no memory. `abi` holds what the C language has, `alignment` the functions that
//! take an alignment, `info` those that tell, `cxx` the C++ operators. Pointers of the C library
//! (made before this library was loaded, or by the loader) are hakmem's to judge.
//!
//! The library holds no state, and calls none of its own exported names: another library in front
//! of it may have replaced them.

// As it is shipped; where panics unwind (plain `cargo build`, clippy), only the standard library
// knows how.
#![cfg_attr(all(panic = "abort", not(test)), no_std)]

pub mod abi;
pub mod alignment;
#[cfg(target_pointer_width = "64")]
pub mod cxx;
pub mod info;

use core::ffi::{c_int, c_void};

/// What is run when the library is loaded: programs that never leave the fast path report too.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    hakmem::heed_environment();
}

// What the C library asks of every object: a word of its own, by which it knows who has registered
// something. Without start files nobody else has it.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
core::arch::global_asm!(
    ".pushsection .data.rel.ro,\"aw\",@progbits",
    ".p2align 3",
    ".globl __dso_handle",
    ".hidden __dso_handle",
    "__dso_handle:",
    ".quad __dso_handle",
    ".popsection",
);

/// Where a broken invariant of the library itself would end up: it has no way to unwind, and
/// nothing to print with.
#[cfg(all(panic = "abort", not(test)))]
#[panic_handler]
fn broken(_: &core::panic::PanicInfo<'_>) -> ! {
    let text = b"hakmem: a fault of the library itself\n";
    // SAFETY: pointer and length are those of a slice; abort may be called at any time.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
        libc::abort()
    }
}

/// Sets `errno` of this thread.
fn set_errno(error: c_int) {
    // SAFETY: the C library returns a valid pointer to this thread's errno.
    unsafe { *libc::__errno_location() = error };
}

/// `errno` of this thread.
fn errno() -> c_int {
    // SAFETY: as in `set_errno`.
    unsafe { *libc::__errno_location() }
}

/// Null, with `errno` for why.
#[cold]
fn refuse(error: c_int) -> *mut c_void {
    set_errno(error);
    core::ptr::null_mut()
}
