//! Memory for headered blocks outside the region: whole 2 MiB granules of addresses, so that what
//! is known of a granule is known of every byte in it.

use core::ptr::NonNull;

use super::GRANULE;
use super::cache;
use crate::os;
use crate::ptr::align_up;

/// Maps `len` bytes, a multiple of [`GRANULE`], on a multiple of it.
pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
    debug_assert!(len.is_multiple_of(GRANULE));
    let whole = len.checked_add(GRANULE)?;
    let start = os::map(whole)?.as_ptr();
    let base = start.map_addr(|address| align_up(address, GRANULE));
    let before = base.addr() - start.addr();
    // SAFETY: both ends lie in the mapping that was just made, outside [base, base + len). They are
    // untouched, so addresses are all that a refusal costs.
    unsafe {
        if before != 0 {
            let _ = os::unmap(start, before);
        }
        if before != GRANULE {
            let _ = os::unmap(base.add(len), GRANULE - before);
        }
    }
    NonNull::new(base)
}

/// Unmaps what [`map`] mapped.
///
/// # Safety
/// Nobody uses it any more.
pub(super) unsafe fn unmap(base: *mut u8, len: usize) {
    cache::forget_all();
    // SAFETY: the caller's promise. A kernel that can't cut a mapping in two (it counts them) can
    // still have the pages.
    unsafe {
        if !os::unmap(base, len) {
            let _ = os::purge(base, len);
        }
    }
}
