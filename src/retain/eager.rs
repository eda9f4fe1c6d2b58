//! Level `eager`: pages go back as soon as a run of slabs or a Large block is free. The program is
//! never larger than what it holds and caches, and pays a call and fresh faults for it.

use super::Retain;
use crate::region::Region;
use crate::superslab::pages;

/// At once.
pub(crate) struct Eager;

impl Retain for Eager {
    const AGES: bool = false;

    unsafe fn freed(region: &Region, first: u32, slabs: u32) {
        // SAFETY: the caller's promise.
        unsafe { pages::purge(region, first, slabs) };
    }

    unsafe fn expired(_region: &Region, _first: u32, _slabs: u32) {}
}
