//! Level `ownerless`: no block has an owner. It stays with the thread that frees it, and travels
//! between threads in magazines only. No method does anything.

use super::inbox::{Chain, Sent};
use super::{NOBODY, Remote};
use crate::class::Class;
use crate::region::{Owner, Region};
use crate::superslab::Run;

/// Nothing is kept.
pub(crate) struct Ownerless;

impl Remote for Ownerless {
    const NEW: Self = Self;

    fn owner(_made: u32) -> Owner {
        NOBODY
    }

    #[inline(always)]
    fn elsewhere(_region: &Region, _class: Class, _p: *const u8, _me: Owner) -> bool {
        false
    }

    #[inline(always)]
    fn own(_region: &Region, _run: Run, _me: Owner) {}

    #[inline(always)]
    unsafe fn send(&self, _region: &Region, _class: Class, _p: *mut u8) -> Sent {
        Sent::Closed
    }

    #[inline(always)]
    fn take(&self, _me: Owner) -> Chain {
        Chain::EMPTY
    }

    #[inline(always)]
    unsafe fn next(_region: &Region, _chain: &mut Chain) -> *mut u8 {
        core::ptr::null_mut()
    }

    fn open(&self, _me: Owner) {}

    fn close(&self, _me: Owner) -> Chain {
        Chain::EMPTY
    }

    fn forget_torn(&self, _me: Owner) {}
}
