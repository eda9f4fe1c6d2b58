//! Level `off`: blocks lie in the region from the first one on.

use core::ptr::NonNull;

use super::{COUNT_NAMES, Starter};
use crate::class::Class;
use crate::lock::ForkSafe;

/// Has no memory.
pub(crate) struct Off;

impl ForkSafe for Off {
    #[inline(always)]
    fn hold(&self) {}

    #[inline(always)]
    unsafe fn let_go(&self) {}
}

impl Starter for Off {
    const NEW: Self = Self;

    #[inline(always)]
    fn alloc(&self, _class: Class) -> Option<NonNull<u8>> {
        None
    }

    #[inline(always)]
    fn holds(&self, _p: *const u8) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn free(&self, _p: *mut u8) {}

    #[inline(always)]
    fn size(&self, _call: &str, _p: *const u8) -> usize {
        0
    }

    #[inline(always)]
    fn close(&self) {}

    #[inline(always)]
    fn held(&self) -> usize {
        0
    }

    #[inline(always)]
    fn counts(&self) -> [u64; COUNT_NAMES.len()] {
        [0; COUNT_NAMES.len()]
    }
}
