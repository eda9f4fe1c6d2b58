//! Level `off`: reads blindly. It crashes on the first foreign pointer whose page begins its
//! mapping, and exists to show that.

use super::HeaderSafety;
use super::cache::PageCache;
use crate::lock::ForkSafe;
use crate::region::Region;

/// Trusts every pointer.
pub(crate) struct Off;

/// No locks.
impl ForkSafe for Off {
    fn hold(&self) {}

    unsafe fn let_go(&self) {}
}

impl HeaderSafety for Off {
    const NEW: Self = Self;

    fn may_read<const N: usize>(
        &self,
        _region: &Region,
        _p: *const u8,
        _cache: &mut PageCache<N>,
    ) -> bool {
        true
    }
}
