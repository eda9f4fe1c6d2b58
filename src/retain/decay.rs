//! Level `decay`: pages that were free for a whole period go back. What is used again soon costs
//! neither a call nor a fault, and a burst is paid back when it has been over for a while.

use super::Retain;
use crate::region::{Region, SLABS};
use crate::superslab::pages;

/// After a while.
pub(crate) struct Decay;

impl Retain for Decay {
    const AGES: bool = true;

    unsafe fn freed(region: &Region, first: u32, slabs: u32) {
        pages::leave(region, first, slabs);
    }

    unsafe fn begun(region: &Region, first: u32, slabs: u32) {
        // The rest of a huge page would be a huge page no more.
        if region.is_huge(first / SLABS) || pages::read_as_zero(region, first, slabs) {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { pages::purge(region, first, slabs) };
    }

    unsafe fn expired(region: &Region, first: u32, slabs: u32) {
        // SAFETY: the caller's promise.
        unsafe { pages::purge(region, first, slabs) };
    }
}
