//! Level `on`, the seed's: ask the kernel whether the page is mapped, unless the page cache knows
//! it as ours.
//!
//! Mapped is not readable (guard pages are mapped), so a page that `mincore` knows is probed too.

use super::cache::PageCache;
use super::{HeaderSafety, header_of};
use crate::lock::ForkSafe;
use crate::os;
use crate::region::Region;

/// Asks `mincore`.
pub(crate) struct On;

/// Whether the kernel lets the header in front of `p` be read.
pub(super) fn kernel_allows<const N: usize>(p: *const u8, cache: &mut PageCache<N>) -> bool {
    let Some(header) = header_of(p) else { return false };
    cache.has(p) || (os::mapped(p) && os::readable(header))
}

/// No locks.
impl ForkSafe for On {
    fn hold(&self) {}

    unsafe fn let_go(&self) {}
}

impl HeaderSafety for On {
    const NEW: Self = Self;

    fn may_read<const N: usize>(
        &self,
        _region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> bool {
        kernel_allows(p, cache)
    }
}
