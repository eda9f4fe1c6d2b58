//! Functions that tell or tidy: malloc_usable_size, malloc_trim, mallinfo2, mallinfo.
//!
//! What the mallinfo functions say is what the page map knows, so it counts whole slabs, and whole
//! pages of the process's first blocks: blocks that threads cache count as in use. The fields
//! `ordblks`, `smblks`, `usmblks` and `fsmblks` are 0: free blocks are not counted one by one, and
//! there are no fast bins.

use core::ffi::{c_int, c_void};

/// malloc_usable_size(3).
///
/// # Safety
/// As the manual page says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(p: *mut c_void) -> usize {
    // SAFETY: the caller's promise.
    unsafe { hakmem::usable_size(p.cast()) }
}

/// malloc_trim(3): 1 when memory went back to the kernel. Everything that can go back does; the
/// padding that is asked for is kept by nobody.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_pad: usize) -> c_int {
    let before = hakmem::usage();
    hakmem::trim();
    let after = hakmem::usage();
    c_int::from(after.given_back > before.given_back || after.starter < before.starter)
}

/// mallinfo2(3).
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> libc::mallinfo2 {
    figures()
}

fn figures() -> libc::mallinfo2 {
    let usage = hakmem::usage();
    let held = usage.handed_out.saturating_sub(usage.given_back);
    let arena = held.saturating_sub(usage.large) + usage.starter;
    let in_use = usage.in_use.saturating_sub(usage.large) + usage.starter;
    libc::mallinfo2 {
        arena,
        ordblks: 0,
        smblks: 0,
        hblks: usage.large_blocks,
        hblkhd: usage.large,
        usmblks: 0,
        fsmblks: 0,
        uordblks: in_use,
        fordblks: arena.saturating_sub(in_use),
        keepcost: usage.kept,
    }
}

/// mallinfo(3): as [`mallinfo2`]; what an int can't hold becomes the largest int.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo() -> libc::mallinfo {
    let wide = figures();
    let int = |figure: usize| c_int::try_from(figure).unwrap_or(c_int::MAX);
    libc::mallinfo {
        arena: int(wide.arena),
        ordblks: int(wide.ordblks),
        smblks: int(wide.smblks),
        hblks: int(wide.hblks),
        hblkhd: int(wide.hblkhd),
        usmblks: int(wide.usmblks),
        fsmblks: int(wide.fsmblks),
        uordblks: int(wide.uordblks),
        fordblks: int(wide.fordblks),
        keepcost: int(wide.keepcost),
    }
}
